import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { densityOf, requireAllocations } from '../../../bench/ledgers/density.ts';
import { makeLedger } from '../../../bench/ledgers/make-ledger.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const ROWS = 60;

it('P1, P2: a dense ledger has no hole and no repeat', () => {
  expect(densityOf(ledger())).toEqual({ orders: ROWS, holes: 0, repeats: 0 });
});

it.each([
  ['a row is gone', 'DELETE FROM allocations WHERE order_id = 7', { orders: ROWS - 1, holes: 2, repeats: 0 }],
  ['a counter is ahead', 'UPDATE ledger SET last_order_id = last_order_id + 3', { orders: ROWS, holes: 3, repeats: 0 }],
  [
    'a counter is behind',
    'UPDATE stores SET last_number = last_number - 1 WHERE store_id = 1',
    { orders: ROWS, holes: 0, repeats: 1 },
  ],
  [
    'a run reaches into the next two',
    'UPDATE allocations SET count = 3 WHERE order_id = 7',
    { orders: ROWS, holes: 0, repeats: 4 },
  ],
])('%s: it is counted in the sequence over all stores and in that of the store', (_, change, density) => {
  const path = ledger();
  const db = new Database(path);
  db.exec(change);
  db.close();
  expect(densityOf(path)).toEqual(density);
  expect(() => requireAllocations(path, density.orders)).toThrow(/holes and/);
});

it('as many orders as were answered, and no more', () => {
  expect(() => requireAllocations(ledger(), ROWS + 1)).toThrow(
    `${ROWS + 1} calls were answered, but the ledger has ${ROWS} allocations`,
  );
});

function ledger(): string {
  const path = join(testFolder(), 'orders.db');
  makeLedger(path, { rows: ROWS, stores: 3 });
  return path;
}
