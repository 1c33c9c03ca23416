import type { LedgerToVerify, PassRow, StoreRow } from '../../../src/core/verify/all-rows-check.ts';
import type { StoreCounter, StoreEntries } from '../../../src/core/verify/counters-check.ts';
import type { IndexFault } from '../../../src/core/verify/index-check.ts';
import type { DeclaredLoss } from '../../../src/core/verify/declared-losses.ts';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import { verifyLedger } from '../../../src/core/verify/verify-ledger.ts';
import type { Indexes, OneStore, RequestIdPage, VerifySource } from '../../../src/core/verify/verify-source.ts';

/** Rows on a page: few, so that every list has several. */
const PAGE = 4;

/** What a verification reads, as plain values: order_ids 1 to 12, six numbers each of the stores 7 and 8. */
export class MemorySource implements VerifySource {
  ledger: LedgerToVerify = { firstOrderId: 1n, lastOrderId: 12n, rowsAbove: 0n, hasMoreAbove: false, end: 12n };
  rows: PassRow[] = [
    row(1n, 7n, 100n),
    row(2n, 8n, 100n),
    row(3n, 7n, 101n),
    row(4n, 7n, 102n, 2n),
    row(6n, 8n, 101n),
    row(7n, 7n, 104n),
    row(8n, 8n, 102n),
    row(9n, 7n, 105n),
    row(10n, 8n, 103n, 3n),
  ];
  counters: Omit<StoreCounter, 'rowsEnd'>[] = [
    { storeId: 7n, firstNumber: 100n, lastNumber: 105n },
    { storeId: 8n, firstNumber: 100n, lastNumber: 105n },
  ];
  losses: DeclaredLoss[] = [];
  damagedIndexes: Indexes = { faults: [], byOrderNumber: true, byRequestId: true };
  /** Whether the end of a store's rows is read with its counter. */
  readsRowsEnd = true;
  /** Entries in the index of order_numbers beyond those of the rows. */
  strayEntries: StoreEntries[] = [];
  requestIdPages: RequestIdPage[] | undefined;
  indexFaults?: () => IndexFault[];

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.losses;
  }

  async indexes(): Promise<Indexes> {
    return this.damagedIndexes;
  }

  async *allocations(): AsyncGenerator<readonly PassRow[]> {
    yield* pages(this.#verified);
  }

  async *stores(): AsyncGenerator<readonly StoreCounter[]> {
    yield* pages(this.counters.map((counter) => ({ ...counter, rowsEnd: this.#rowsEnd(counter.storeId) })));
  }

  async store(storeId: bigint): Promise<OneStore> {
    const counter = this.counters.find((one) => one.storeId === storeId);
    return {
      lastNumber: this.#lastNumber(storeId),
      counter: counter && { ...counter, rowsEnd: this.#rowsEnd(storeId) },
    };
  }

  async *storeRows(storeId: bigint): AsyncGenerator<readonly StoreRow[]> {
    yield* pages(this.#rowsOf(storeId));
  }

  async *orderNumberEntries(): AsyncGenerator<readonly StoreEntries[]> {
    if (!this.damagedIndexes.byOrderNumber) throw new Error('the index of order_numbers was read');
    const stores = Map.groupBy(this.#verified, ({ storeId }) => storeId);
    yield* pages(
      [...stores].map(([storeId, { length }]) => ({ storeId, entries: BigInt(length), misplaced: undefined })),
    );
    yield* pages(this.strayEntries);
  }

  async *requestIds(): AsyncGenerator<RequestIdPage> {
    if (!this.damagedIndexes.byRequestId) throw new Error('the index of request_ids was read');
    const entries = BigInt(this.#verified.length);
    yield* this.requestIdPages ?? [{ repeated: [], entries, misplaced: undefined }];
  }

  get #verified(): PassRow[] {
    return this.rows.filter(({ orderId }) => orderId <= this.ledger.end);
  }

  /** In the order of their numbers. */
  #rowsOf(storeId: bigint): PassRow[] {
    const rows = this.rows.filter((one) => one.storeId === storeId);
    return rows.toSorted((a, b) => (a.orderNumber < b.orderNumber ? -1 : 1));
  }

  #lastNumber(storeId: bigint): bigint | undefined {
    const last = this.#rowsOf(storeId).at(-1);
    return last && last.orderNumber + last.count - 1n;
  }

  #rowsEnd(storeId: bigint): bigint | null | undefined {
    return this.readsRowsEnd ? (this.#lastNumber(storeId) ?? null) : undefined;
  }
}

/** Each row is a second later than the one before. */
export function row(orderId: bigint, storeId: bigint, orderNumber: bigint, count = 1n): PassRow {
  return { orderId, storeId, orderNumber, count, createTimeMs: orderId * 1000n };
}

function* pages<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += PAGE) yield items.slice(from, from + PAGE);
}

/** What a verification of it tells, once it is damaged. */
export async function events(
  damage: (source: MemorySource) => unknown = () => {},
  storeId?: bigint,
): Promise<VerifyEvent[]> {
  const source = new MemorySource();
  damage(source);
  return all(verifyLedger(source, storeId));
}

/** Everything that is read, as an array. */
export async function all<Item>(reading: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of reading) items.push(item);
  return items;
}

/** One line per finding, sorted; that of a hole without the words that are the same for all. */
export function findingsOf(told: readonly VerifyEvent[]): string[] {
  const lines = told.flatMap((event) => {
    if (event.kind !== 'finding') return [];
    const { findingKind, storeId, first, last, message } = event;
    const range = first === last ? `${first}` : `${first}-${last}`;
    return [
      `${findingKind} ${storeId === undefined ? '' : `${storeId} `}${range}: ${message.replace(/^no row covers /, '')}`,
    ];
  });
  return lines.toSorted();
}
