import type Database from 'better-sqlite3';
import {
  checkRequestIdIndex,
  faultyIndex,
  repeatedRequestId,
  type RepeatedRequestId,
} from '../../../core/verify/index-check.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';

const REQUEST_IDS_A_READ = 50_000;
const BY_REQUEST_ID = 'allocations_by_request_id';
export const BY_ORDER_NUMBER = 'allocations_by_order_number';

/** Every (store_id, request_id) has one row, and its index has every row; both unique indexes are there. */
export function* checkRequestIds(
  db: Database.Database,
  { end, rows }: { readonly end: bigint; readonly rows: bigint },
): Generator<VerifyEvent> {
  for (const index of [BY_REQUEST_ID, BY_ORDER_NUMBER]) {
    if (!hasIndex(db, index)) yield faultyIndex(index, 'is missing', end);
  }
  if (hasIndex(db, BY_REQUEST_ID)) yield* countRequestIds(db, end, rows);
}

export function hasIndex(db: Database.Database, name: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ?').get('index', name) !== undefined;
}

function* countRequestIds(db: Database.Database, end: bigint, rows: bigint): Generator<VerifyEvent> {
  const index = `allocations INDEXED BY ${BY_REQUEST_ID}`;
  const boundary = db
    .prepare<[string, number], string>(
      `SELECT request_id FROM ${index} WHERE request_id > ? ORDER BY request_id LIMIT 1 OFFSET ?`,
    )
    .pluck();
  const repeated = db.prepare<[string, string, bigint], RepeatedRequestId>(
    `SELECT request_id AS requestId, store_id AS storeId, count(*) AS rows, min(order_id) AS least,
       max(order_id) AS greatest FROM ${index}
     WHERE request_id > ? AND request_id <= ? AND order_id <= ? GROUP BY request_id, store_id HAVING count(*) > 1`,
  );
  const count = db
    .prepare<[string, string, bigint], bigint>(
      `SELECT count(*) FROM ${index} WHERE request_id > ? AND request_id <= ? AND order_id <= ?`,
    )
    .pluck();
  // Above every request_id: those are ASCII.
  const top = '\u{10ffff}';
  let counted = 0n;
  for (let after = ''; after !== top;) {
    const upTo = boundary.get(after, REQUEST_IDS_A_READ) ?? top;
    for (const group of repeated.all(after, upTo, end)) yield repeatedRequestId(group);
    counted += count.get(after, upTo, end)!;
    after = upTo;
  }
  yield* checkRequestIdIndex(counted, rows, end);
}
