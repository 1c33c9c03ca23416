import type { Findings } from './findings.ts';
import type { Pair } from './pair.ts';
import { lastNumber, lastOrderId, textOf } from './pair.ts';
import type { LedgerContents, Rows } from './rows.ts';

/** A range of a sequence that an operator declared lost; without a store, of order_ids. */
export interface DeclaredLoss {
  readonly storeId?: bigint;
  readonly first: bigint;
  readonly last: bigint;
}

/** Whether an allocation is in a range that was declared lost: then the ledger does not have it. */
export function isDeclaredLost(losses: readonly DeclaredLoss[], { orderId }: Pair): boolean {
  return losses.some(({ storeId, first, last }) => storeId === undefined && first <= orderId && orderId <= last);
}

const FIRST_ORDER_ID = 1n;
const FIRST_NUMBER = 100n;

/** P1, P2, P3, P5 in the ledger itself: both sequences dense, each request once, create_time never falls. */
export function checkSequences(
  rows: Rows,
  contents: LedgerContents,
  losses: readonly DeclaredLoss[],
  findings: Findings,
) {
  const snapshot = 'rows' in contents ? contents : undefined;
  const lossesOf = (storeId?: bigint) => losses.filter((loss) => loss.storeId === storeId);
  const orderIds = new Sequence('order_id', snapshot?.ledger.first_order_id ?? FIRST_ORDER_ID, lossesOf(), findings);
  const stores = new Map(
    snapshot?.stores.map((store) => [store.store_id, numbersOf(store.store_id, store.first_number)] as const),
  );
  const requests = new Map<bigint, Set<string>>();
  let latest: Pair | undefined;

  for (const pair of rows.pairs) {
    const { storeId, requestId, createTimeMs } = pair;
    orderIds.take(pair, pair.orderId, lastOrderId(pair));
    const numbers = stores.get(storeId) ?? numbersOf(storeId, FIRST_NUMBER);
    stores.set(storeId, numbers);
    numbers.take(pair, pair.orderNumber, lastNumber(pair));
    const known = requests.get(storeId) ?? new Set();
    requests.set(storeId, known);
    if (known.has(requestId))
      findings.add(`request ${requestId} of store ${storeId} is in two rows: ${textOf(pair)} is the second`, 'twice');
    known.add(requestId);
    if (latest && createTimeMs < latest.createTimeMs) {
      findings.add(`create_time falls: ${textOf(pair)} follows ${textOf(latest)}`);
    }
    latest = pair;
  }
  if (!snapshot) return;
  orderIds.end(snapshot.ledger.last_order_id);
  for (const { store_id, last_number } of snapshot.stores) stores.get(store_id)!.end(last_number);

  function numbersOf(storeId: bigint, first: bigint): Sequence {
    return new Sequence(`number of store ${storeId}`, first, lossesOf(storeId), findings);
  }
}

/** One sequence, read from its beginning. */
class Sequence {
  readonly #name: string;
  readonly #losses: DeclaredLoss[];
  readonly #findings: Findings;
  #next: bigint;

  constructor(name: string, first: bigint, losses: readonly DeclaredLoss[], findings: Findings) {
    this.#name = name;
    this.#next = first;
    this.#losses = losses.toSorted((a, b) => (a.first < b.first ? -1 : 1));
    this.#findings = findings;
  }

  take(pair: Pair, first: bigint, last: bigint): void {
    this.#missing(first);
    if (first < this.#next) {
      const end = last < this.#next ? last : this.#next - 1n;
      this.#findings.add(
        `${rangeText(this.#name, first, end)} in two rows: ${textOf(pair)} is the second`,
        'twice',
        size(first, end),
      );
    }
    if (last >= this.#next) this.#next = last + 1n;
  }

  /** The counter of the sequence has to be at the last row, or at the end of a loss that was declared behind it. */
  end(counter: bigint): void {
    this.#missing(counter + 1n);
    if (counter < this.#next - 1n) {
      this.#findings.add(
        `the counter of the ${this.#name} is at ${counter}, and the last row ends at ${this.#next - 1n}`,
      );
    }
  }

  /** What lies between the last row and this number, and was not declared lost. */
  #missing(upTo: bigint): void {
    while (this.#next < upTo) {
      const loss = this.#losses.find(({ last }) => last >= this.#next);
      if (loss && loss.first <= this.#next) {
        this.#next = loss.last + 1n;
        continue;
      }
      const end = loss && loss.first < upTo ? loss.first : upTo;
      this.#findings.add(
        `${rangeText(this.#name, this.#next, end - 1n)} in no row`,
        'holes',
        size(this.#next, end - 1n),
      );
      this.#next = end;
    }
  }
}

function rangeText(name: string, first: bigint, last: bigint): string {
  if (first === last) return `${name} ${first} is`;
  return `${name} ${first} to ${last} are`;
}

function size(first: bigint, last: bigint): number {
  return Number(last - first + 1n);
}
