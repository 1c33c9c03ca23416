import { expect } from 'vitest';
import type { Allocation } from '../../../../src/core/allocation.ts';
import type { DeclaredLoss, LedgerCounters } from '../../../../src/core/move/contents.ts';
import { firstDifference } from '../../../../src/core/move/contents.ts';
import { moveLedger } from '../../../../src/core/move/move-ledger.ts';
import type { Store } from '../../../../src/core/store.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { verifyLedger } from '../../../../src/core/verify/verify-ledger.ts';
import { LogContents } from '../../../../src/engines/dynamodb/operator/move/log-contents.ts';
import { MoveSource } from '../../../../src/engines/dynamodb/operator/move/move-source.ts';
import { MoveTarget } from '../../../../src/engines/dynamodb/operator/move/move-target.ts';
import { requireServed } from '../../../../src/engines/dynamodb/log/served.ts';
import { readView } from '../../../../src/engines/dynamodb/log/opening.ts';
import { DynamodbVerifySource } from '../../../../src/engines/dynamodb/verify/verify-source.ts';
import type { MemoryContents } from '../../../core/move/memory-contents.ts';
import { Sides } from '../../../core/move/move-sides.ts';
import type { Fate } from '../../../support/dynamodb/fated-table.ts';
import { fatedTable } from '../../../support/dynamodb/fated-table.ts';
import { tableAt } from '../../../support/ledgers/moved-table.ts';

const LEDGER_ID = '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22';
export const FIRST = 2n ** 53n - 3n;

/** [order_id, store_id, order_number, count, prefix], the first one from 0. */
export const ROWS: readonly (readonly [number, bigint, bigint, number, string])[] = [
  [0, 7n, 100n, 1, ''],
  [1, 8n, 5n, 3, ''],
  [4, 7n, 101n, 1, ''],
  // Another style, and the old one again in another store.
  [5, 7n, 102n, 2, 'A-'],
  [7, 8n, 8n, 1, ''],
  // After a declared loss of order_ids 8 to 9 and of numbers of both stores.
  [10, 8n, 19n, 1, ''],
  [11, 7n, 110n, 1000, 'A-'],
  [1011, 7n, 1110n, 1, ''],
];
export const TIME = 1_700_000_000_000;
const STYLE = { prefix: '', suffix: '', minDigits: 0 };

export function rows(): Allocation[] {
  return ROWS.map(([at, storeId, orderNumber, count, prefix], i) => ({
    orderId: FIRST + BigInt(at),
    storeId,
    orderNumber,
    count,
    requestId: `r"\\${i}`,
    prefix,
    suffix: '',
    minDigits: i,
    createTimeMs: TIME + 1000 * i,
    caller: i % 3 === 0 ? '' : `shop "${i % 2}"`,
  }));
}

export const STORES: readonly Store[] = [
  { ...STYLE, storeId: 7n, firstNumber: 100n, lastNumber: 1110n, createTimeMs: TIME, suffix: '/new' },
  // Its first number was lost, and its rows do not tell when it was created.
  { ...STYLE, storeId: 8n, firstNumber: 3n, lastNumber: 19n, createTimeMs: TIME - 5 },
  { ...STYLE, storeId: 2n ** 63n - 1n, firstNumber: 1n, lastNumber: 0n, createTimeMs: TIME },
];
export const LOSSES: readonly DeclaredLoss[] = [
  { storeId: undefined, first: FIRST + 8n, last: FIRST + 9n, declareTimeMs: BigInt(TIME) },
  { storeId: 7n, first: 104n, last: 109n, declareTimeMs: BigInt(TIME) },
  { storeId: 8n, first: 3n, last: 4n, declareTimeMs: BigInt(TIME) },
  { storeId: 8n, first: 9n, last: 18n, declareTimeMs: BigInt(TIME) },
];
export const COUNTERS: LedgerCounters = {
  ledgerId: LEDGER_ID,
  firstOrderId: FIRST,
  lastOrderId: FIRST + 1011n,
  lastCreateTimeMs: BigInt(TIME + 99_999),
};

function fill(contents: MemoryContents): void {
  contents.stores = [...STORES];
  contents.losses = [...LOSSES];
  contents.counters = async () => COUNTERS;
}

/** A source in memory that has all of this. */
export function fullSides(): Sides {
  const sides = new Sides();
  fill(sides.source);
  sides.source.allocations = rows();
  return sides;
}

/** A move from these sides' source into the table. */
export function moveIn({ source }: Sides, url: string, fate: Fate = {}) {
  const { signal } = new AbortController();
  const place = fatedTable(url, fate);
  return moveLedger({
    openSource: async () => source,
    openTarget: async () => new MoveTarget(place, signal),
    targetName: place.name,
    signal,
    onProgress() {},
    onWarning() {},
  });
}

/** A move from the table into these sides' target. */
export function moveOut({ target }: Sides, url: string, fate: Fate = {}) {
  const { signal } = new AbortController();
  return moveLedger({
    openSource: () => MoveSource.open(fatedTable(url, fate), signal),
    openTarget: async () => target,
    targetName: target.name,
    signal,
    onProgress() {},
    onWarning() {},
  });
}

export const MOVING_IN =
  'LedgerRefused: a ledger is being moved into TABLE; finish that with order-numbers migrate or import';

export function isThrough(move: Promise<unknown>): Promise<boolean> {
  return move.then(
    () => true,
    () => false,
  );
}

/** Why a server would not number in the table; undefined if it would. */
export async function whyNotServed(url: string): Promise<string | undefined> {
  try {
    requireServed('TABLE', await readView(tableAt(url), 'TABLE'));
    return undefined;
  } catch (error) {
    return String(error);
  }
}

export async function expectWhole(url: string, { source }: Sides): Promise<void> {
  const table = tableAt(url);
  const view = await readView(table, 'TABLE');
  expect(await firstDifference(source, new LogContents('TABLE', table, view), () => {})).toBeUndefined();
  expect(view.tail).toEqual([]);
  const events: VerifyEvent[] = [];
  for await (const event of verifyLedger(new DynamodbVerifySource(table, view), undefined)) events.push(event);
  expect(events.filter(({ kind }) => kind === 'finding')).toEqual([]);
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
}

/** Sides whose target has everything but the rows, which are copied. */
export function targetFor(): Sides {
  const sides = new Sides();
  fill(sides.target.contents);
  return sides;
}

/** A target of another name. */
export function elsewhere(): Sides['target'] {
  const { target } = targetFor();
  return Object.assign(target, { name: 'ELSEWHERE', identity: async () => 'elsewhere' });
}
