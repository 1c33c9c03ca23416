import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Outcome } from '../../../src/core/ledger.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import type { Spoil } from './allocator-commands.ts';
import { ALLOCATOR_COMMANDS, RealAllocator } from './allocator-commands.ts';

const RUN = faultRun('model', { short: 60, long: 20_000 });

it(
  'P1 P2 P4 P5 P6 P7: calls, copies, cancellations, failed commits and drains in any order keep the allocator to its word',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'model' });
    await fc.assert(allocators(tally), { seed: RUN.seed, numRuns: RUN.rounds });

    const found = await fc.check(allocators(undefined, rotated), { seed: RUN.seed, numRuns: 500 });
    const [shortest] = found.counterexample ?? [];
    tally.control('each outcome goes to the neighbour', found.failed, String(shortest));
    // Two calls with different keys, and what commits them.
    expect([...(shortest ?? [])].length).toBeLessThan(10);
    tally.end();
  },
  timeoutMs(RUN),
);

/** Each outcome goes to the neighbour. */
function rotated(outcomes: readonly Outcome[]): Outcome[] {
  return [...outcomes.slice(1), ...outcomes.slice(0, 1)];
}

function allocators(tally?: Tally, spoil?: Spoil) {
  return fc.asyncProperty(ALLOCATOR_COMMANDS, fc.boolean(), async (commands, drains) => {
    const real = new RealAllocator(spoil);
    await fc.asyncModelRun(() => ({ model: { calls: 0 }, real }), commands);
    await real.end(drains);
    for (const fault of real.injected) tally?.inject(fault);
    const { acknowledged, disk, signals } = real;
    tally?.count({ asked: signals.length, acknowledged, found: disk.rows.length });
  });
}
