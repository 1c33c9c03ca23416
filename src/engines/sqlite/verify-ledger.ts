import type Database from 'better-sqlite3';
import type { Finding, VerifyEvent, VerifyProgress } from '../../verification.ts';
import { Losses } from './losses.ts';
import { SequenceCheck } from './sequence-check.ts';
import { checkRequestIds, checkStores } from './verify-stores.ts';

/** Rows in one read. Each is a short transaction, so that no checkpoint waits for a verification. */
const ROWS_A_READ = 10_000;

/** A row as the pass over all of them reads it. */
type Row = [orderId: bigint, storeId: bigint, orderNumber: bigint, count: bigint, createTimeMs: bigint];

interface LedgerRow {
  readonly first_order_id: bigint;
  readonly last_order_id: bigint;
  readonly rows_above: bigint;
}

/**
 * Reads a ledger up to the end that it has now, or one store of it, and reports what it finds; the verdict
 * comes last. Every event may follow a read, so that whoever iterates can stop between two.
 *
 * One pass in order_id order checks both sequences of every row at once: inside a store each order_number
 * must be the one after the store's last, or that store is read again by its numbers, to name what is wrong.
 */
export function* verifyLedger(db: Database.Database, storeId: bigint | undefined): Generator<VerifyEvent> {
  let findings = 0n;
  let sequences = 0n;
  let rows = 0n;
  const ledger = db
    .prepare<[], LedgerRow>(
      `SELECT first_order_id, last_order_id,
         (SELECT count(*) FROM allocations WHERE order_id > ledger.last_order_id) AS rows_above FROM ledger`,
    )
    .get();
  if (!ledger) throw new Error('the table ledger is empty');
  for (const event of readEverything(db, ledger, storeId)) {
    if (event.kind === 'hole' || event.kind === 'overlap' || event.kind === 'mismatch') findings++;
    if (event.kind === 'sequence') sequences++;
    if (event.kind === 'progress') rows = event.rowsRead;
    yield event;
  }
  yield { kind: 'verdict', asOfOrderId: ledger.last_order_id, rows, sequences, findings, ok: findings === 0n };
}

function* readEverything(
  db: Database.Database,
  ledger: LedgerRow,
  storeId: bigint | undefined,
): Generator<VerifyEvent> {
  const end = ledger.last_order_id;
  const losses = new Losses(db, storeId);
  yield* losses.events();
  if (storeId !== undefined) {
    const { rows } = yield* checkStores(db, { end, losses, onlyStore: storeId, isSuspect: () => true });
    yield { kind: 'progress', rowsRead: rows, orderId: end, endOrderId: end };
    return;
  }
  if (ledger.rows_above > 0n) {
    yield mismatch(end + 1n, end + 1n, `${ledger.rows_above} rows lie above the counter of order_ids, ${end}`);
  }
  const pass = new Pass(ledger.first_order_id, end);
  const select = db
    .prepare<[bigint, bigint, number], Row>(
      `SELECT order_id, store_id, order_number, count, create_time_ms FROM allocations
       WHERE order_id > ? AND order_id <= ? ORDER BY order_id LIMIT ?`,
    )
    .raw();
  const isFirst = db.prepare<[bigint], bigint>('SELECT first_number FROM stores WHERE store_id = ?').pluck();
  const firstNumber = (id: bigint) => isFirst.get(id);
  for (let after = -(2n ** 63n); ;) {
    const read = select.all(after, end, ROWS_A_READ);
    if (read.length === 0) break;
    for (const row of read) pass.add(row, firstNumber);
    yield* pass.takeFindings(losses);
    after = read.at(-1)![0];
    yield pass.progress(after);
  }
  yield* pass.finish(losses);
  yield* checkStores(db, {
    end,
    losses,
    onlyStore: undefined,
    isSuspect: (id) => pass.suspects.has(id),
    seen: pass.stores,
  });
  yield* checkRequestIds(db, { end, rows: pass.rows });
  yield pass.progress(end);
}

/** What the pass in order_id order remembers. */
class Pass {
  rows = 0n;
  readonly stores = new Map<bigint, { next: bigint; count: bigint; rows: bigint }>();
  /** Stores whose numbers were not one after the other. */
  readonly suspects = new Set<bigint>();
  readonly #end: bigint;
  readonly #sequence: SequenceCheck;
  #mismatches: Finding[] = [];
  #lastCreateTimeMs = -(2n ** 63n);

  constructor(firstOrderId: bigint, end: bigint) {
    this.#end = end;
    this.#sequence = new SequenceCheck(undefined, firstOrderId);
  }

  add([orderId, storeId, orderNumber, count, createTimeMs]: Row, firstNumber: (id: bigint) => bigint | undefined) {
    this.rows++;
    this.#sequence.add(orderId, count);
    if (createTimeMs < this.#lastCreateTimeMs) {
      const message = `create_time falls at order_id ${orderId}, from ${this.#lastCreateTimeMs} to ${createTimeMs} ms`;
      this.#mismatches.push(mismatch(orderId, orderId, message));
    } else this.#lastCreateTimeMs = createTimeMs;
    let store = this.stores.get(storeId);
    if (!store) this.stores.set(storeId, (store = { next: firstNumber(storeId) ?? -1n, count: 0n, rows: 0n }));
    if (orderNumber !== store.next || count < 1n) this.suspects.add(storeId);
    store.next = orderNumber + count;
    store.count += count;
    store.rows++;
  }

  *takeFindings(losses: Losses): Generator<Finding> {
    yield* this.#mismatches;
    this.#mismatches = [];
    yield* this.#sequence.takeFindings(losses);
  }

  *finish(losses: Losses): Generator<VerifyEvent> {
    this.#sequence.finish(this.#end);
    yield* this.#sequence.end(this.#end, losses);
  }

  progress(orderId: bigint): VerifyProgress {
    return { kind: 'progress', rowsRead: this.rows, orderId, endOrderId: this.#end };
  }
}

function mismatch(first: bigint, last: bigint, message: string): Finding {
  return { kind: 'mismatch', first, last, message };
}
