import { join } from 'node:path';
import { requireAllocations } from '../ledgers/density.ts';
import type { LoadResult } from '../ghz.ts';
import { runGhz } from '../ghz.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import { ServerProcess } from '../processes/server-process.ts';

export interface MemoryOptions {
  readonly calls: number;
  /** Folder for the ledger. */
  readonly folder: string;
  progress(line: string): void;
}

/** A server's memory before and after a long load at 400 in flight. */
export interface Memory {
  readonly inFlight: number;
  readonly idle: ResidentMemory;
  readonly after: ResidentMemory;
  readonly load: LoadResult;
}

/** Measures the memory of the real command on a new ledger, and checks the ledger afterwards. */
export async function measureMemory({ calls, folder, progress }: MemoryOptions): Promise<Memory> {
  const inFlight = 400;
  const ledger = join(folder, 'memory.db');
  const server = await ServerProcess.serve(ledger);
  const idle = server.residentMemory();
  progress(`${calls} allocations at ${inFlight} in flight`);
  const load = await runGhz({ address: server.address, inFlight, calls });
  const after = server.residentMemory();
  await server.stop();
  progress('checking for gaps');
  requireAllocations(ledger, load.calls);
  if (!idle || !after) throw new Error('memory can only be measured on Linux');
  return { inFlight, idle, after, load };
}
