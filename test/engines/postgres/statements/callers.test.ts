import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import type { Outcome } from '../../../../src/core/ledger.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { query } from '../../../support/postgres/query.ts';
import { withClient } from '../../../support/postgres/query.ts';
import { holdCounter } from '../../../support/postgres/held-counter.ts';
import { OpenedLedger } from '../opened-ledger.ts';

function ask(requestId: string, caller: string, storeId = 7n): AllocationRequest {
  return { storeId, requestId, count: 2, caller };
}

function callersOf(outcomes: readonly Outcome[]): (string | undefined)[] {
  return outcomes.map((outcome) => ('allocation' in outcome ? outcome.allocation.caller : undefined));
}

it('only a named caller costs a row', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit([ask('a', ''), ask('b', 'checkout-eu'), ask('c', '')]);
  await ledger.commit([ask('d', ''), ask('e', '')]);
  await ledger.commit([ask('a', 'pos'), ask('b', 'pos')]);
  expect(await query(url, 'SELECT * FROM order_numbers.callers')).toEqual([{ order_id: 3n, caller: 'checkout-eu' }]);
});

it('P5: of two servers that are asked for the same request at once, both tell the caller that was first', async () => {
  const url = await newDatabaseWithSchema();
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
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  const known = ask('known', 'pos');
  await ledger.commit([known]);
  await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [INT64_MAX - 4n]);
  const outcomes = await ledger.commit([ask('a', 'eu'), ask('known', 'eu'), ask('b', ''), ask('c', 'us')]);
  expect(callersOf(outcomes)).toEqual(['eu', 'pos', '', undefined]);
  expect((await ledger.reads.getAllocation({ orderId: INT64_MAX - 3n }))?.caller).toBe('eu');
});

it('a request that is refused leaves no caller', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url, { autoCreateStores: false });
  expect(await ledger.commit([ask('a', 'eu')])).toMatchObject([{ refused: { reason: 'STORE_NOT_FOUND' } }]);
  expect(await query(url, 'SELECT FROM order_numbers.callers')).toEqual([]);
});

it('a page of a list reads no more callers than it shows, at either end', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  const rows = 30_000;
  await query(
    url,
    `WITH rows AS (
       INSERT INTO order_numbers.allocations
       SELECT id, 7, id, 1, 'r' || id, 0, '', '', 0 FROM generate_series(1, $1::bigint) AS id RETURNING order_id
     ) INSERT INTO order_numbers.callers SELECT order_id, 'checkout' FROM rows`,
    [rows],
  );
  await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [rows]);
  await query(url, 'VACUUM ANALYZE order_numbers.allocations, order_numbers.callers');
  for (const newestFirst of [false, true]) {
    const range = { afterOrderId: 10n, upToOrderId: BigInt(rows), storeId: undefined, limit: 10, newestFirst };
    const listed = await ledger.reads.listAllocations(range);
    expect(listed.map(({ caller }) => caller)).toEqual(Array(10).fill('checkout'));
  }
  for (const call of ['above(10, $1, 10)', 'above(29000, $1, 10)', 'between(10, $1, 10, true)']) {
    // All callers have more than 150 blocks, all allocations more than 300.
    expect(await blocksRead(url, `allocations_${call}`, rows)).toBeLessThan(80);
  }
});

/** What a call reads once its session has read the catalog, and has planned it several times. */
function blocksRead(url: string, call: string, rows: number): Promise<number> {
  return withClient(url, async (client) => {
    const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM order_numbers.${call}`;
    for (let i = 0; i < 6; i++) await client.query(explain, [rows]);
    const { rows: explained } = await client.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(explain, [
      rows,
    ]);
    const plan = explained[0]!['QUERY PLAN'][0].Plan;
    return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
  });
}
