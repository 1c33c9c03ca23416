import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import type { Outcome } from '../../../../src/core/ledger.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { query } from '../../../support/postgres/query.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { holdCounter } from '../../../support/postgres/held-counter.ts';
import { OpenedLedger } from '../opened-ledger.ts';

/** Leaves every lone request to the function of batches. */
const ALL_AS_BATCHES = `
CREATE OR REPLACE FUNCTION order_numbers.allocate_one(
  id bigint, request text, numbers integer, caller_name text, auto_create boolean, expected text DEFAULT NULL
) RETURNS TABLE (
  item integer, outcome text, order_id bigint, order_number bigint, count integer, create_time_ms bigint,
  prefix text, suffix text, min_digits integer, caller text, ledger_end bigint, ledger_version bigint
) LANGUAGE sql SECURITY DEFINER SET search_path = order_numbers AS $$
  SELECT * FROM allocate_for(ARRAY[id], ARRAY[request], ARRAY[numbers], ARRAY[caller_name], auto_create, expected)
$$`;

/** A lone request finds no function for batches. */
const NO_BATCHES = `
ALTER FUNCTION order_numbers.allocate_for(bigint[], text[], integer[], text[], boolean, text) RENAME TO away`;

const TABLES = {
  ledger: 'SELECT first_order_id, last_order_id, version FROM order_numbers.ledger',
  stores: 'SELECT store_id, first_number, last_number, prefix, suffix, min_digits FROM order_numbers.stores ORDER BY 1',
  allocations: `SELECT order_id, store_id, order_number, count, request_id, prefix, suffix, min_digits
    FROM order_numbers.allocations ORDER BY 1`,
  callers: 'SELECT * FROM order_numbers.callers ORDER BY 1',
};

function ask(storeId: bigint, requestId: string, count = 1, caller = ''): AllocationRequest {
  return { storeId, requestId, count, caller };
}

/** An outcome without what differs from run to run. */
function comparable(outcome: Outcome | undefined): unknown {
  if (!outcome || 'refused' in outcome) return outcome?.refused.reason;
  return { ...outcome, allocation: { ...outcome.allocation, createTimeMs: 0 } };
}

/** What lone requests of every kind are told, and what they leave in the tables. */
async function loneRequests(prepare: string): Promise<unknown> {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  await query(url, prepare);
  const { ledger: strict } = await OpenedLedger.open(url, { autoCreateStores: false });
  await ledger.createStore({ storeId: 1n, firstNumber: 500n, prefix: 'A-', suffix: '/7', minDigits: 6 });
  await ledger.createStore({ storeId: 2n, firstNumber: INT64_MAX - 2n, prefix: '', suffix: '', minDigits: 0 });
  const told: unknown[] = [];
  const commit = async (request: AllocationRequest, on = ledger) => {
    told.push(comparable((await on.commit([request]))[0]), on.lastOrderId);
  };
  await commit(ask(1n, 'a'));
  await commit(ask(1n, 'run', 1000, 'checkout'));
  await commit(ask(1n, 'a"\\{},b', 2, 'a "caller"'));
  await commit(ask(1n, 'run', 7, 'other'));
  await commit(ask(3n, 'a'));
  await commit(ask(3n, 'b', 3));
  await commit(ask(4n, 'a'), strict);
  await commit(ask(1n, 'strict'), strict);
  await commit(ask(2n, 'too many', 4));
  await commit(ask(2n, 'all', 3));
  await commit(ask(2n, 'none left'));
  await commit(ask(2n, 'all', 3));
  await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [INT64_MAX - 2n]);
  await commit(ask(1n, 'beyond the end', 3));
  await commit(ask(1n, 'up to the end', 2));
  await commit(ask(1n, 'after the end'));
  await commit(ask(9n, 'after the end'));
  await commit(ask(1n, 'a'));
  const tables: Record<string, unknown> = {};
  for (const [table, sql] of Object.entries(TABLES)) tables[table] = await query(url, sql);
  return { told, tables };
}

it('P1 P2 P5: a lone request of any kind is told what a batch would be, and leaves the same rows', async () => {
  expect(await loneRequests('SELECT')).toEqual(await loneRequests(ALL_AS_BATCHES));
});

it('a lone new request of a store that exists runs without the statement of batches', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit([ask(1n, 'a')]);
  await query(url, NO_BATCHES);
  expect(await ledger.commit([ask(1n, 'b', 2, 'checkout')])).toMatchObject([
    { allocation: { orderId: 2n, orderNumber: 101n, count: 2, caller: 'checkout' }, replayed: false },
  ]);
  expect(await assertDense(url)).toHaveLength(2);
});

it.each([
  ['two requests', ['a', 'b'], [2n, 3n]],
  ['the same request', ['a', 'a'], [2n, 2n]],
])('P1 P2 P5: two servers that send %s at once number one after the other', async (_, requestIds, orderIds) => {
  const url = await newDatabaseWithSchema();
  const servers = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  await servers[0]!.ledger.commit([ask(1n, 'first')]);
  const counter = await holdCounter(url);
  const answers = servers.map(({ ledger }, i) => ledger.commit([ask(1n, requestIds[i]!)]));
  await counter.isWaitedFor(0, 2);
  await counter.release();
  const outcomes = (await Promise.all(answers)).flat();
  const given = outcomes.map((outcome) => ('allocation' in outcome ? outcome.allocation.orderId : outcome));
  expect(given.toSorted()).toEqual(orderIds);
  expect(await assertDense(url)).toHaveLength(new Set(orderIds).size + 1);
});

it('P1 P2 P5: a lone request and a batch with the same key, sent at once by two servers, number it once', async () => {
  const url = await newDatabaseWithSchema();
  const servers = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  await servers[0]!.ledger.commit([ask(1n, 'first')]);
  const counter = await holdCounter(url);
  const batch = servers[0]!.ledger.commit([ask(1n, 'a'), ask(1n, 'b')]);
  const lone = servers[1]!.ledger.commit([ask(1n, 'b')]);
  await counter.isWaitedFor(0, 2);
  await counter.release();
  const [[, inBatch], [alone]] = await Promise.all([batch, lone]);
  const replayed = [inBatch, alone].map((outcome) => outcome && 'replayed' in outcome && outcome.replayed);
  expect(replayed.toSorted()).toEqual([false, true]);
  expect(comparable(alone)).toMatchObject({ allocation: (comparable(inBatch) as { allocation: object }).allocation });
  expect(await assertDense(url)).toHaveLength(3);
});

it('P9: a lone request is numbered neither in another ledger nor in one that is still being copied', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit([ask(1n, 'a')]);
  const lone = (expected: string) =>
    query(url, `SELECT FROM order_numbers.allocate_one(1, 'b', 1, '', true, ${expected})`);
  await expect(lone("'another'")).rejects.toThrow('another ledger than another is here');
  await query(url, "UPDATE order_numbers.ledger SET moving_from = 'x'");
  await expect(lone('NULL')).rejects.toThrow('another ledger is being copied');
  await query(url, 'UPDATE order_numbers.ledger SET moving_from = NULL');
  expect(await assertDense(url)).toHaveLength(1);
  await lone('NULL');
  expect(await assertDense(url)).toHaveLength(2);
});
