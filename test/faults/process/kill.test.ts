import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { AllocateOrderRequest, Allocation } from '../../../src/wire/gen/orders/v1/orders.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';

const RUN = faultRun('process', { short: 4, long: 20 });
const ROUNDS = RUN.rounds;
/** The kill comes later in each round; the last round of the short form is as late as that of the long one. */
const ANSWERS_PER_ROUND = RUN.isLong ? 23 : 145;
/** Turns of the event loop until the kill: 0 to 6 in the long form, 0, 2, 4 and 6 in the short one. */
const TURNS_PER_ROUND = RUN.isLong ? 1 : 2;
const CALLERS = 32;
const STORES = 5;

// A file and its WAL; servers killed on a shared PostgreSQL are in the lab failover.
it(
  'P1 P2 P4 P5: kill -9 under load loses no answered order, leaves no hole and numbers nothing twice',
  async () => {
    const ledger = join(testFolder(), 'orders.db');
    const answered: Allocation[] = [];
    let unanswered: AllocateOrderRequest[] = [];

    for (let round = 0; round < ROUNDS; round++) {
      const server = new ServerProcess(ledger);
      const client = connect(await server.serving());
      // Everything recovered from the WAL is in the database, and so on the disk, before anything is answered.
      expect(walSize(ledger)).toBe(0);
      expectInFile(assertDense(ledger), answered);
      answered.push(...(await retryTwice(client, unanswered)));

      // Answers until the kill, plus some turns of the event loop, so that it comes at any moment.
      const kill = { afterAnswers: 50 + ANSWERS_PER_ROUND * round, thenTurns: (round * TURNS_PER_ROUND) % 7 };
      const load = await loadUntilKilled(server, client, `round-${round}`, kill);
      client.close();
      answered.push(...load.answered);
      unanswered = load.unanswered;
    }

    const server = new ServerProcess(ledger);
    const client = connect(await server.serving());
    answered.push(...(await retryTwice(client, unanswered)));
    client.close();
    expect(await server.stop()).toBe(0);
    expectInFile(assertDense(ledger), answered);
  },
  timeoutMs(RUN),
);

killedAfterCommitSuite(POSTGRES);

/** Keeps callers busy until the server is killed after this many answers. */
async function loadUntilKilled(
  server: ServerProcess,
  client: OrdersClient,
  name: string,
  kill: { afterAnswers: number; thenTurns: number },
) {
  const answered: Allocation[] = [];
  const unanswered: AllocateOrderRequest[] = [];
  let sent = 0;
  const call = async () => {
    for (;;) {
      const id = sent++;
      // Every third caller leaves the request_id to the server, and so cannot retry.
      const request = { storeId: BigInt(1 + (id % STORES)), requestId: id % 3 === 0 ? '' : `${name}-${id}` };
      try {
        const { allocation } = await client.allocateOrder(request);
        answered.push(allocation!);
        if (answered.length === kill.afterAnswers) due.resolve();
      } catch {
        if (request.requestId !== '') unanswered.push(request);
        return;
      }
    }
  };
  const due = Promise.withResolvers<void>();
  const killWhenDue = async () => {
    await Promise.race([due.promise, server.exit()]);
    for (let turn = 0; turn < kill.thenTurns; turn++) await nextTurn();
    server.child.kill('SIGKILL');
    await once(server.child, 'close');
  };
  await Promise.all([killWhenDue(), ...Array.from({ length: CALLERS }, call)]);
  return { answered, unanswered };
}

/** Retries every unanswered call twice: one pair each, the same both times. */
async function retryTwice(client: OrdersClient, unanswered: readonly AllocateOrderRequest[]): Promise<Allocation[]> {
  const first = await Promise.all(unanswered.map((request) => client.allocateOrder(request)));
  const second = await Promise.all(unanswered.map((request) => client.allocateOrder(request)));
  for (const [i, { allocation }] of first.entries()) {
    expect(allocation).toMatchObject(unanswered[i]!);
    expect(second[i]).toEqual({ allocation, replayed: true });
  }
  return first.map(({ allocation }) => allocation!);
}

/** Asserts that every answer is in the file unchanged, and that no two answers have the same number. */
function expectInFile(rows: ReturnType<typeof assertDense>, answered: readonly Allocation[]): void {
  const byOrderId = new Map(rows.map((row) => [row.order_id, row]));
  const wrong = answered.filter((allocation) => {
    const row = byOrderId.get(allocation.orderId);
    const { seconds, nanos } = allocation.createTime!;
    return !(
      row?.store_id === allocation.storeId &&
      row.order_number === allocation.orderNumber &&
      row.count === BigInt(allocation.count) &&
      row.request_id === allocation.requestId &&
      row.create_time_ms === seconds * 1000n + BigInt(nanos / 1e6)
    );
  });
  expect(wrong).toEqual([]);
  expect(new Set(answered.map(({ orderId }) => orderId)).size).toBe(answered.length);
}

function walSize(ledger: string): number {
  return statSync(`${ledger}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
