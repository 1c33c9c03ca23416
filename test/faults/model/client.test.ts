import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { PLANTED_BUGS } from '../simulator/loading/planted-bugs.ts';
import type { Checked, ClientWork } from './client-program.ts';

const RUN = faultRun('model', { short: 60, long: 20_000 });
const PLANTED = 'a retry with a new key';

it(
  'P1 P2 P3 P4 P5 P6 P7: the client with its combiner keeps its word in any small plan of calls, faults and lives',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'model' });
    const { failure, injected, calls, acknowledged, rows } = await check({ seed: RUN.seed, runs: RUN.rounds });
    expect(failure).toBe(undefined);
    for (const [fault, times] of injected) tally.inject(fault, times);
    tally.count({ asked: calls, acknowledged, found: rows });

    const bug = PLANTED_BUGS.find(({ name }) => name === PLANTED)!;
    const control = await check({ seed: RUN.seed, runs: 300, bug, isAnyEnough: !RUN.isLong });
    tally.control(bug.name, control.failure !== undefined, control.failure ?? '');
    expect(control.failure).toMatch(bug.shows);
    tally.end();
  },
  timeoutMs(RUN),
);

/** In a thread of its own, which has no time but the simulator's. */
function check(work: ClientWork): Promise<Checked> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./client-program.ts', import.meta.url), { workerData: work, execArgv: [] });
    thread.once('message', (checked: Checked) => resolve((void thread.terminate(), checked)));
    thread.once('error', reject);
  });
}
