import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SourceChange } from '../../seeded/loading/planted-bug.ts';

/** Servers that share a table, each with as many callers. */
export interface TurnsPlan {
  readonly seed: number;
  /** How long the put of each server takes, in milliseconds; one entry per server. */
  readonly putMs: readonly number[];
  /** Callers of each server, with one order at a time. */
  readonly callers: number;
  readonly seconds: number;
  /** A command that begins a move out of the table after some time, and how long each of its requests takes. */
  readonly move?: { readonly afterMs: number; readonly requestMs: number };
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

/** What all came to. */
export interface Turns {
  readonly servers: readonly ServerTurns[];
  /** How long the command took until its entry was in the log, which ends the run; undefined if it never was. */
  readonly heldMs: number | undefined;
}

/** Runs the plan in virtual time, in a thread of its own. */
export async function turnsOf(plan: TurnsPlan): Promise<Turns> {
  const worker = new Worker(new URL('./turns-thread.ts', import.meta.url), { workerData: plan });
  const [turns] = (await once(worker, 'message')) as [Turns];
  await worker.terminate();
  return turns;
}
