import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import type { Ledger, Outcome } from '../../../../src/core/ledger.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { holdCounter } from '../../../support/postgres/held-counter.ts';
import { OpenedLedger } from '../opened-ledger.ts';

/** Everything that a certificate may name, and that an array of PostgreSQL could read as something else. */
const NAMES = ['checkout-eu', '', 'NULL', 'null', '"', '\\', '{a,b}', "it's", ' ', '%', '~'.repeat(64), ''];

function ask(requestId: string, caller: string, storeId = 7n): AllocationRequest {
  return { storeId, requestId, count: 2, caller };
}

function callersOf(outcomes: readonly Outcome[]): (string | undefined)[] {
  return outcomes.map((outcome) => ('allocation' in outcome ? outcome.allocation.caller : undefined));
}

/** What every read says of the caller of an allocation. */
async function shown({ reads }: Ledger, orderId: bigint, request: AllocationRequest): Promise<Set<unknown>> {
  const { storeId, requestId } = request;
  const found = await reads.getAllocation({ orderId: orderId + 1n });
  const range = { afterOrderId: orderId, upToOrderId: orderId + 1n, limit: 1 };
  const lists = [undefined, storeId].flatMap((store) =>
    [false, true].map((newestFirst) => reads.listAllocations({ ...range, storeId: store, newestFirst })),
  );
  const all = [
    found,
    await reads.getAllocation({ storeId, orderNumber: found!.orderNumber }),
    await reads.getAllocation({ storeId, requestId }),
    ...(await Promise.all(lists)).flat(),
  ];
  expect(all).toHaveLength(7);
  return new Set(all.map((allocation) => allocation?.caller));
}

it('every allocation has its caller, in the answer, in each read, and in a replay for another caller', async () => {
  const url = await newDatabase();
  const { ledger } = await OpenedLedger.open(url);
  const batch = NAMES.map((name, i) => ask(`r${i}`, name));
  const outcomes = await ledger.commit(batch);
  expect(callersOf(outcomes)).toEqual(NAMES);
  for (const [i, request] of batch.entries()) {
    expect(await shown(ledger, BigInt(2 * i + 1), request)).toEqual(new Set([NAMES[i]]));
  }
  // Beside a new request, without any named caller, and by a server that has just started.
  const replays = outcomes.map(
    (outcome) => 'allocation' in outcome && { allocation: outcome.allocation, replayed: true },
  );
  const others = batch.map(({ requestId }) => ask(requestId, 'someone-else'));
  expect((await ledger.commit([...others, ask('new', 'pos')])).slice(0, -1)).toEqual(replays);
  expect(await ledger.commit(batch.map(({ requestId }) => ask(requestId, '')))).toEqual(replays);
  const restarted = await OpenedLedger.open(url);
  expect(await restarted.ledger.commit(others)).toEqual(replays);
  // Only named ones cost a row.
  const named = NAMES.filter((name) => name !== '').length;
  expect(await query(url, 'SELECT count(*) FROM order_numbers.callers')).toEqual([{ count: BigInt(named + 1) }]);
});

it('P5: of two servers that are asked for the same request at once, both tell the caller that was first', async () => {
  const url = await newDatabase();
  const [first, second] = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  const counter = await holdCounter(url);
  const answers = [first.ledger.commit([ask('same', 'eu')]), second.ledger.commit([ask('same', 'us')])];
  await counter.isWaitedFor(0, 2);
  await counter.release();
  const outcomes = (await Promise.all(answers)).flat();
  expect(outcomes.map((outcome) => 'replayed' in outcome && outcome.replayed)).toContain(true);
  const [caller] = callersOf(outcomes.filter((outcome) => 'replayed' in outcome && !outcome.replayed));
  expect(callersOf(outcomes)).toEqual([caller, caller]);
});

it('each allocation of a batch that is numbered one by one, at the end of all order_ids, has its caller', async () => {
  const url = await newDatabase();
  const { ledger } = await OpenedLedger.open(url);
  const known = ask('known', 'pos');
  await ledger.commit([known]);
  await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [INT64_MAX - 4n]);
  const outcomes = await ledger.commit([ask('a', 'eu'), ask('known', 'eu'), ask('b', ''), ask('c', 'us')]);
  expect(callersOf(outcomes)).toEqual(['eu', 'pos', '', undefined]);
  expect((await ledger.reads.getAllocation({ orderId: INT64_MAX - 3n }))?.caller).toBe('eu');
});

it('a request that is refused leaves no caller', async () => {
  const url = await newDatabase();
  const { ledger } = await OpenedLedger.open(url, { autoCreateStores: false });
  expect(await ledger.commit([ask('a', 'eu')])).toMatchObject([{ refused: { reason: 'STORE_NOT_FOUND' } }]);
  expect(await query(url, 'SELECT FROM order_numbers.callers')).toEqual([]);
});
