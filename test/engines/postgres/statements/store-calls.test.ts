import { expect, it, vi } from 'vitest';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { holdCounter } from '../../../support/postgres/held-counter.ts';
import { OpenedLedger, proxiedDatabase } from '../opened-ledger.ts';

const FLOOD = 3000;
/** The number of calls that a server lets wait. */
const MAX_WAITING = 1000;
/** Longer than the first attempt of a batch may go without an answer. */
const HELD_MS = 3200;
/** How long a new store waits for a primary. */
const MAX_WAIT_MS = 15_000;

it('P6 P7: in a flood of new stores most are refused at once, the others are created, and orders are numbered meanwhile', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  const saidAtStart = [...opened.said];
  const counter = await holdCounter(url);
  const made: bigint[] = [];
  const refused: unknown[] = [];
  const writes = Promise.all(
    Array.from({ length: FLOOD }, async (_, i) => {
      const store = opened.ledger.createStore({ ...DEFAULT_STORE, storeId: BigInt(i + 1) });
      await store.then(
        ({ storeId }) => made.push(storeId),
        (error: unknown) => refused.push(error),
      );
    }),
  );
  const outcome = opened.allocate('meanwhile', BigInt(FLOOD + 1));
  // The first of them is running; those behind it have waited as long.
  await counter.isWaitedFor(HELD_MS);
  expect(refused).toHaveLength(FLOOD - MAX_WAITING);
  expect(refused).toEqual(refused.map(() => expect.objectContaining({ reason: 'QUEUE_FULL' }) as unknown));
  await counter.release();
  expect(await outcome).toMatchObject({ allocation: { orderId: 1n, orderNumber: 100n }, replayed: false });
  await writes;
  expect(made).toEqual(Array.from({ length: MAX_WAITING }, (_, i) => BigInt(i + 1)));
  expect(refused).toHaveLength(FLOOD - MAX_WAITING);
  expect(opened.said).toEqual(saidAtStart);
  expect(await assertDense(url)).toHaveLength(1);
});

it('P7: a new store does not wait forever for a primary that cannot be reached: it asks for a retry', async () => {
  const { proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl);
  proxy.refuse();
  await opened.says(/cannot be opened yet: .*ECONNREFUSED/);
  // The search itself continues in real time.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const store = opened.ledger.createStore({ ...DEFAULT_STORE, storeId: 7n });
    await Promise.all([
      expect(store).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' }),
      vi.advanceTimersByTimeAsync(MAX_WAIT_MS),
    ]);
  } finally {
    vi.useRealTimers();
  }
  await proxy.flow();
  expect(await opened.ledger.createStore({ ...DEFAULT_STORE, storeId: 7n })).toMatchObject({ storeId: 7n });
});

it('of two servers that change a store at once, the second is told what the first left', async () => {
  const url = await newDatabaseWithSchema();
  const ledgers = [await OpenedLedger.open(url), await OpenedLedger.open(url)].map(({ ledger }) => ledger);
  await ledgers[0]!.createStore({ ...DEFAULT_STORE, storeId: 7n, prefix: 'made' });
  const counter = await holdCounter(url);
  const changes = ledgers.map((ledger, i) => ledger.updateStore(7n, { prefix: `${i}-` }));
  await counter.isWaitedFor(0, 2);
  await counter.release();
  const [first, second] = (await Promise.all(changes)).toSorted((one) => (one.before.prefix === 'made' ? -1 : 1));
  expect(first?.before.prefix).toBe('made');
  expect(second?.before).toEqual(first?.after);
});
