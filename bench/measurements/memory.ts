import { join } from 'node:path';
import type { ClientResult } from '../generators/client-load.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import { requireAllocations } from '../ledgers/density.ts';
import { STORES } from '../ours/client-peers.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import { ServerProcess } from '../processes/server-process.ts';

const IN_FLIGHT = 2000;
/** How many times the memory is measured on the way. */
const STEPS = 10;

export interface MemoryOptions {
  readonly orders: number;
  /** Folder for the ledger. */
  readonly folder: string;
  progress(line: string): void;
}

/** A server's memory before and after many orders, which one combining client asks for. */
export interface Memory {
  readonly inFlight: number;
  readonly orders: number;
  readonly idle: ResidentMemory;
  /** On the way, at equal distances. */
  readonly steps: readonly number[];
  readonly after: ResidentMemory;
  /** The last part of the load. */
  readonly load: ClientResult;
}

/** Measures the memory of the real command on a new ledger, and checks the ledger afterwards. */
export async function measureMemory({ orders, folder, progress }: MemoryOptions): Promise<Memory> {
  const ledger = join(folder, 'memory.db');
  const server = await ServerProcess.serve(ledger);
  const idle = server.requireMemory();
  const client = startClient(server.address);
  const steps: number[] = [];
  const each = Math.ceil(orders / STEPS);
  let load: ClientResult | undefined;
  for (let step = 1; step <= STEPS; step++) {
    load = await client.ask({ inFlight: IN_FLIGHT, orders: each, stores: STORES });
    requireAnswers(load, each);
    steps.push(server.requireMemory().now);
    progress(`${each * step} orders: ${(steps.at(-1)! / 1e6).toFixed(0)} MB`);
  }
  const after = server.requireMemory();
  await client.end();
  await server.stop();
  progress('checking for holes and repeats');
  requireAllocations(ledger, each * STEPS);
  return { inFlight: IN_FLIGHT, orders: each * STEPS, idle, steps, after, load: load! };
}
