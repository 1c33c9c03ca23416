import type { CameUp, Simulated, Simulation } from '../seeded/simulate.ts';
import { missingOf, simulateIn } from '../seeded/simulate.ts';
import { EXPECTED_BRANCHES, EXPECTED_FAULTS, RARE } from './world/expected.ts';

export type { Sum } from '../seeded/simulate.ts';

/** Runs consecutive seeds in threads of their own. */
export function simulate(simulation: Simulation): Promise<Simulated> {
  return simulateIn(new URL('./worker.ts', import.meta.url), simulation);
}

/** The faults and branches that a run of this many seeds had to have, and that did not come. */
export function missing(sum: CameUp): string[] {
  return missingOf({ faults: EXPECTED_FAULTS, branches: EXPECTED_BRANCHES, rare: RARE }, sum);
}
