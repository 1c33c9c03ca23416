import { Program } from '../processes/program.ts';

/** Starts a call every `everyMs` milliseconds; without it, stops, and asks what became of the calls. */
export interface ProbeQuestion {
  readonly everyMs?: number;
}

/** A single call of a caller that does nothing else. */
export interface Probe {
  /** When it was due, in milliseconds since the epoch. */
  readonly atMs: number;
  /** The name of its gRPC status code. */
  readonly code: string;
  /** From when it was due until its answer, in milliseconds. */
  readonly tookMs: number;
}

const EVERY_MS = 20;

/** Probes a server until `stop`, which resolves to all probes. */
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
