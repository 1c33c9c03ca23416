import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SourceChange } from '../../seeded/loading/planted-bug.ts';

/** Servers that share a table, each with as many callers. */
export interface TurnsPlan {
  readonly seed: number;
  /** How long the put of each takes, in milliseconds; so many servers there are. */
  readonly putMs: readonly number[];
  /** Callers of each server, with one order at a time. */
  readonly callers: number;
  readonly seconds: number;
  /** Changes of the source, for a control. */
  readonly changes?: readonly SourceChange[];
}

/** What one server came to. */
export interface ServerTurns {
  readonly putMs: number;
  readonly batches: number;
  readonly orders: number;
  /** Races that one of its batches lost, at most. */
  readonly mostLost: number;
}

/** Runs the plan in virtual time, in a thread of its own. */
export async function turnsOf(plan: TurnsPlan): Promise<readonly ServerTurns[]> {
  const worker = new Worker(new URL('./turns-thread.ts', import.meta.url), { workerData: plan });
  const [turns] = (await once(worker, 'message')) as [readonly ServerTurns[]];
  await worker.terminate();
  return turns;
}
