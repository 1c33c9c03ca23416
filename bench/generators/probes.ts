import { Program } from '../processes/program.ts';

/** Starts to send a call every so many milliseconds; without a time, it stops and tells what became of them. */
export interface ProbeQuestion {
  readonly everyMs?: number;
}

/** A single call of a caller that does nothing else. */
export interface Probe {
  /** When it was due, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Of gRPC, by name. */
  readonly code: string;
  /** From when it was due. */
  readonly tookMs: number;
}

const EVERY_MS = 20;

/** Probes a server until `stop`, which resolves to what it saw. */
export async function startProbes(address: string): Promise<{ stop(): Promise<readonly Probe[]> }> {
  const program = new Program<ProbeQuestion, readonly Probe[]>('probe.ts', address);
  await program.ask({ everyMs: EVERY_MS });
  return {
    async stop() {
      const probes = await program.ask({});
      await program.end();
      return probes;
    },
  };
}
