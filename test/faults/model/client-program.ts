import { parentPort, workerData } from 'node:worker_threads';
import * as fc from 'fast-check';
import { loadSimulated } from '../seeded/loading/hooks.ts';
import type { PlantedBug } from '../seeded/loading/planted-bug.ts';
import { replaceGlobals } from '../seeded/time/globals.ts';
import { STAND_INS } from '../simulator/loading/stand-ins.ts';
import type { Plan } from '../simulator/world/plan.ts';

export interface ClientWork {
  readonly seed: number;
  readonly runs: number;
  readonly bug?: PlantedBug;
  /** Whether the first plan that fails is enough: the search for the shortest one takes most of the time. */
  readonly isAnyEnough?: boolean;
}

/** What a check came to. */
export interface Checked {
  /** The shortest plan that failed, or the first one, and how; undefined if none did. */
  readonly failure: string | undefined;
  readonly injected: ReadonlyMap<string, number>;
  readonly calls: number;
  readonly acknowledged: number;
  readonly rows: number;
}

const { seed, runs, bug, isAnyEnough = false } = workerData as ClientWork;
loadSimulated(STAND_INS, bug?.changes ?? []);
const { run } = await import('../simulator/world/run.ts');
const { planOf } = await import('../simulator/world/plan.ts');
replaceGlobals();
Error.stackTraceLimit = 0;

/** A few calls in a short time, so that most of them meet; the lives and events of a plan of the simulator. */
const CALLS = fc.array(
  fc.record({
    atMs: fc.nat(300),
    client: fc.nat(1),
    storeId: fc.constantFrom(7n, 8n),
    requestId: fc.nat(12).map((number) => `k${number}`),
    count: fc.constantFrom(1, 1, 1, 2),
    timeoutMs: fc.constantFrom(30, 500, 3000),
    cancelAfterMs: fc.constantFrom(undefined, undefined, undefined, 0, 1, 3, 40),
  }),
  { minLength: 1, maxLength: 20, size: 'max' },
);
const PLANS: fc.Arbitrary<Plan> = fc
  .record({ calls: CALLS, of: fc.nat(1_000_000), messageFaults: fc.constantFrom(0, 0.05, 0.2) })
  .map(({ calls, of, messageFaults }) => {
    return Object.assign(planOf(of), { calls: calls.toSorted((a, b) => a.atMs - b.atMs), messageFaults });
  });

const sums = { injected: new Map<string, number>(), calls: 0, acknowledged: 0, rows: 0 };
const details = await fc.check(
  fc.asyncProperty(PLANS, async (plan) => {
    const result = await run(plan);
    sums.calls += result.calls;
    sums.acknowledged += result.acknowledged;
    sums.rows += result.rows;
    for (const [fault, times] of result.injected) sums.injected.set(fault, (sums.injected.get(fault) ?? 0) + times);
    if (result.violations.length > 0) throw new Error(result.violations.join('; '));
  }),
  { seed, numRuns: runs, endOnFailure: isAnyEnough },
);
const { failed, counterexample, errorInstance } = details;
const [plan] = counterexample ?? [];
const calls = plan?.calls.map(
  ({ atMs, client, storeId, requestId }) => `${atMs} ms, client ${client}: ${storeId} ${requestId}`,
);
const failure = failed ? `${String(errorInstance)} (${calls?.join('; ')})` : undefined;
parentPort!.postMessage({ ...sums, failure } satisfies Checked);
