import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { settledWithin } from '../../../src/core/settled-within.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect, failureOf } from '../../support/clients/orders-client.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { PostgresCluster } from '../../support/postgres/cluster/cluster.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { attempt } from './one-attempt.ts';
import type { Check } from './probes.ts';
import { expectInTime, Probes, textOf } from './probes.ts';

const RUN = faultRun('time', { short: 1, long: 12 });
const QUESTIONS = 10;
const MAX_QUEUE = 30;
/** As many as there is room for may be under way when the database is stopped, and as many again may wait. */
const CALLS = 3 * MAX_QUEUE;

const NO_LIMIT: readonly Patch[] = [
  { file: 'src/engines/postgres/connection/read-pool.ts', find: 'READ_MS = 10_000', replace: 'READ_MS = 600_000' },
  {
    file: 'src/engines/postgres/postgres-reads.ts',
    find: 'CONFIRM_READ_MS = 5000',
    replace: 'CONFIRM_READ_MS = 600_000',
  },
];

it(
  'P1 P2 P4 P5 P7 P10: with the database stopped health is answered, reads end, the queue is bounded, and all is answered once afterwards',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name, { engine: 'PostgreSQL' });
    const cluster = await PostgresCluster.start();
    onTestFinished(() => cluster.close());
    await cluster.query('create database orders');
    const ledger = cluster.url('orders');
    const server = new ServerProcess(ledger, { args: ['--max-queue', String(MAX_QUEUE)] });
    const unlimitedServer = new ServerProcess(ledger, { env: patchedBy(NO_LIMIT) });
    const [address, patched] = await Promise.all([server.serving(), unlimitedServer.serving()]);
    const probes = new Probes(address, server.child.pid!);
    const client = connect(address);
    onTestFinished(() => client.close());
    const history = new History();
    const before: Check[] = [];
    const during: Check[] = [];
    expect(await attempt(client, history, 'first')).toBe(status.OK);
    const reads = { limited: new GrpcClient(address), unlimited: new GrpcClient(patched) };
    // The first answers take as long as a connection does.
    await Promise.all([...Object.values(reads).map(read), probes.ask(QUESTIONS, 'health')]);

    let stillOpen = 0;
    for (let round = 0; round < RUN.rounds; round++) {
      before.push(...(await probes.ask(QUESTIONS, 'health')));
      await cluster.pause();
      tally.inject('a database stopped under load');
      const calls = Array.from({ length: CALLS }, (_, i) => ({ key: `${round}-${i}` }));
      let refused = 0;
      const answers = calls.map(async ({ key }) => {
        const code = await attempt(client, history, key);
        if (code === status.RESOURCE_EXHAUSTED) refused++;
        return code;
      });
      await until('the queue is full', () => refused >= CALLS - 2 * MAX_QUEUE);
      let isPending = true;
      const unlimited = read(reads.unlimited).finally(() => (isPending = false));
      const failed = failureOf(read(reads.limited));
      do during.push(...(await probes.ask(QUESTIONS, 'health')));
      while (!(await settledWithin(1, failed)));
      // With half a minute for an answer, it ends by the server's own limit.
      expect(status[(await failed).code]).toBe('UNAVAILABLE');
      if (isPending) stillOpen++;
      cluster.resume();
      await unlimited.catch(() => {});
      await Promise.all(answers);
      tally.inject('a call that found the queue full', refused);
      await Promise.all(calls.map(({ key }) => numbered(client, history, key)));
      tally.progress(round);
    }
    tally.count(assertHistory(history, await assertDense(ledger)));
    const says = `in ${stillOpen} of ${RUN.rounds} rounds a read is still open when another has ended; ${textOf(during)}`;
    tally.control('reads without a limit', stillOpen === RUN.rounds, says);
    expectInTime(during, before, 'SERVING', 'NOT_SERVING');
    tally.end();
  },
  timeoutMs(RUN),
);

/** Retries until it has its pair. */
async function numbered(client: OrdersClient, history: History, key: string): Promise<void> {
  while ((await attempt(client, history, key)) !== status.OK);
}

function read(client: GrpcClient) {
  return client.call(client.stub.getAllocation, { key: { $case: 'orderId', value: 1n } });
}
