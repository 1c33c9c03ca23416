import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { serviceContext } from '../../support/processes/service-context.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory, checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { ServerClock } from './server-clock.ts';

const RUN = faultRun('time', { short: 4, long: 400 });
const ANSWERS = RUN.isLong ? 100 : 25;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const LIMITS = { maxBatch: 1000, maxQueue: 100, maxQueueShare: 1, requireRequestId: true };

/** Each is repeated in turn. After a jump ahead all later ones are below what was already given. */
const MOVES: readonly (readonly [name: string, move: (clock: ServerClock, random: Random) => void])[] = [
  ['a clock set a day back', (clock) => clock.isAheadBy(-DAY_MS)],
  ['a clock that stands still', (clock) => clock.standsStill()],
  ['a clock set a year ahead', (clock, random) => clock.isAheadBy(YEAR_MS + random.below(HOUR_MS))],
  ['a clock set back from there', (clock, random) => clock.isAheadBy(-random.below(DAY_MS))],
];
/** Not in the short form. */
const RESTART_ONE_IN = 5;

/** The time of the commit, whatever was given before. */
const UNCLAMPED: Patch = {
  file: 'src/engines/sqlite/statements/batch-transaction.ts',
  find: 'Math.max(Date.now(), Number(ledger.lastCreateTimeMs))',
  replace: 'Date.now()',
};

it(
  'P1 P2 P3 P4 P5: under a clock that jumps and stands still create_time never falls, and all are answered once',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name);
    const random = new Random(RUN.seed);
    const ledger = join(testFolder(), 'orders.db');
    const clock = new ServerClock();
    const address = await freeAddress();
    let server = start(ledger, address, clock);
    await server.serving();
    const history = new History();
    const load = new Load({ history, addresses: [address], seed: RUN.seed, callers: 4 });
    for (let round = 0; round < RUN.rounds; round++) {
      const [name, move] = MOVES[round % MOVES.length]!;
      move(clock, random);
      tally.inject(name);
      await load.answers(ANSWERS);
      if (round % RESTART_ONE_IN === RESTART_ONE_IN - 1) {
        await server.stop();
        server = start(ledger, address, clock);
        await server.serving();
        tally.inject('a restart under that clock');
        await load.answers(ANSWERS);
      }
      tally.progress(round);
    }
    await load.stop();
    expect(load.answered).toBeGreaterThanOrEqual(ANSWERS * RUN.rounds);
    tally.count(assertHistory(history, assertDense(ledger)));
    const says = await withoutClamp();
    tally.control('create_time is the time of day, unclamped', /create_time falls/.test(says), says);
    tally.end();
  },
  timeoutMs(RUN),
);

it('P6: a clock that is set ahead expires no call that waits', async () => {
  const ledger = new MemoryLedger();
  const allocator = new Allocator({ ...LIMITS, ledger });
  const context = serviceContext(allocator, ledger);
  const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
  onTestFinished(() => server.close(0));
  const client = connect(`127.0.0.1:${server.address.port}`);
  onTestFinished(() => client.close());
  const commit = ledger.holdNext();
  const allocate = (requestId: string) => client.allocateOrder({ storeId: 7n, requestId });
  const held = allocate('held');
  await commit.begun;
  const waits = allocate('waits');
  await until('a call waits behind the commit', () => allocator.queueLength === 1);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + YEAR_MS });
  onTestFinished(() => void vi.useRealTimers());
  commit.release();
  expect((await Promise.all([held, waits])).map(({ allocation }) => allocation?.orderId)).toEqual([1n, 2n]);
});

/** What the checks say of a server whose create_time is the time of day. */
async function withoutClamp(): Promise<string> {
  const ledger = join(testFolder(), 'orders.db');
  const clock = new ServerClock(patchedBy([UNCLAMPED]));
  const address = await freeAddress();
  await start(ledger, address, clock).serving();
  const history = new History();
  const load = new Load({ history, addresses: [address], callers: 2 });
  await load.answers(5);
  clock.isAheadBy(-DAY_MS);
  await load.answers(10);
  await load.stop();
  try {
    return checkHistory(history, assertDense(ledger)).violations.join('; ') || 'nothing';
  } catch (error) {
    return String(error);
  }
}

function start(ledger: string, address: string, { env }: ServerClock): ServerProcess {
  const args = ['--grpc-listen', address, '--http-listen', 'off', '--metrics-listen', 'off'];
  return new ServerProcess(ledger, { args, env });
}
