import { loadSimulated } from '../seeded/loading/hooks.ts';
import { randomUUID } from '../seeded/loading/seeded-crypto.ts';
import { shrinkPlan } from '../seeded/shrink.ts';
import { runSeeds, work } from '../seeded/thread.ts';
import { replaceGlobals } from '../seeded/time/globals.ts';
import { SMALL_LIMITS } from './loading/limits.ts';
import { PROBES } from './loading/probes.ts';
import { STAND_INS } from './loading/stand-ins.ts';

// A thread of the simulator.

loadSimulated(STAND_INS, [...SMALL_LIMITS, ...PROBES, ...(work().bug?.changes ?? [])]);
const { run } = await import('./world/run.ts');
const { planOf } = await import('./world/plan.ts');
replaceGlobals();
Object.defineProperty(crypto, 'randomUUID', { value: randomUUID });
await runSeeds({
  planOf,
  run,
  shrink: (plan, maxRuns) => {
    const calm = (whole: typeof plan) => ({ ...whole, faultShare: 0 });
    const lists = ['calls', 'events', 'watchers', 'calls', 'events'] as const;
    return shrinkPlan(plan, { run, calm, lists }, maxRuns);
  },
  least: { lives: 3, calls: 200, faults: 10 },
});
