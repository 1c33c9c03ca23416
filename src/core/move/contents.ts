import type { Allocation } from '../allocation.ts';
import type { Store } from '../store.ts';
import type { NumberRange } from '../verify/events.ts';

/** Which ledger it is, and where its sequence over all stores begins and ends. */
export interface LedgerCounters {
  readonly ledgerId: string;
  readonly firstOrderId: bigint;
  /** firstOrderId - 1 if none was given. */
  readonly lastOrderId: bigint;
  /** Whole milliseconds since 1970. */
  readonly lastCreateTimeMs: bigint;
}

/** Numbers that a deliberate return to an older copy gave up. */
export interface DeclaredLoss extends NumberRange {
  readonly declareTimeMs: bigint;
}

/** Everything that a ledger holds, while no server allocates in it. */
export interface LedgerContents {
  /** For messages, without secrets. */
  readonly name: string;
  counters(): Promise<LedgerCounters>;
  /** Those above an order_id, in its order. */
  allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]>;
  /** Those above a store_id, in its order. */
  storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]>;
  /** In an order that depends on nothing but their values. All at once: a verification holds them, too. */
  declaredLosses(): Promise<readonly DeclaredLoss[]>;
}

/** The order of {@link LedgerContents.declaredLosses}: order_ids first. */
export function compareLosses(a: DeclaredLoss, b: DeclaredLoss): number {
  const keyOf = ({ storeId = 0n, first, last, declareTimeMs }: DeclaredLoss) => [storeId, first, last, declareTimeMs];
  const [one, other] = [keyOf(a), keyOf(b)];
  const i = one.findIndex((part, at) => part !== other[at]);
  return i < 0 ? 0 : one[i]! < other[i]! ? -1 : 1;
}

/** Rows or stores read at once. */
export const COPY_PAGE = 5000;

/** One list of a ledger, to be compared item by item. */
interface ComparedList<Item> {
  readonly page: (side: LedgerContents, after: bigint) => Promise<readonly Item[]>;
  readonly keyOf: (item: Item) => bigint;
  readonly nameOf: (item: Item) => string;
  readonly onCompared?: (lastKey: bigint) => void;
}

type Sides = readonly [one: LedgerContents, other: LedgerContents];

/**
 * Compares two ledgers value by value, in bounded memory, and says in one sentence where they first differ; undefined
 * if they are equal. `onCompared` is told the order_id up to which they are equal.
 */
export async function firstDifference(
  one: LedgerContents,
  other: LedgerContents,
  onCompared: (orderId: bigint) => void,
): Promise<string | undefined> {
  const sides: Sides = [one, other];
  const allocations: ComparedList<Allocation> = {
    page: (side, after) => side.allocationsAfter(after, COPY_PAGE),
    keyOf: ({ orderId }) => orderId,
    nameOf: ({ orderId }) => `the allocation of order_id ${orderId}`,
    onCompared,
  };
  const stores: ComparedList<Store> = {
    page: (side, after) => side.storesAfter(after, COPY_PAGE),
    keyOf: ({ storeId }) => storeId,
    nameOf: ({ storeId }) => `store ${storeId}`,
  };
  const counters = await Promise.all(sides.map((side) => side.counters()));
  return (
    compareItems(sides, [counters[0]!], [counters[1]!], () => 'the ledger') ??
    (await compareLists(sides, allocations)) ??
    (await compareLists(sides, stores)) ??
    compareItems(sides, await one.declaredLosses(), await other.declaredLosses(), nameOfLoss)
  );
}

async function compareLists<Item extends object>(
  sides: Sides,
  { page, keyOf, nameOf, onCompared }: ComparedList<Item>,
): Promise<string | undefined> {
  // No key of a ledger is below 1.
  for (let after = 0n; ;) {
    // Asks the second side first, because reading the first may block this thread.
    const others = page(sides[1], after);
    const [items, awaited] = await Promise.all([page(sides[0], after), others]);
    const difference = compareItems(sides, items, awaited, nameOf);
    const last = items.at(-1);
    if (difference !== undefined || !last) return difference;
    after = keyOf(last);
    onCompared?.(after);
  }
}

function compareItems<Item extends object>(
  [one, other]: Sides,
  items: readonly Item[],
  others: readonly Item[],
  nameOf: (item: Item) => string,
): string | undefined {
  for (let i = 0; i < items.length || i < others.length; i++) {
    const [a, b] = [items[i], others[i]];
    if (!a) return `${nameOf(b!)} is in ${other.name} but not in ${one.name}`;
    if (!b) return `${nameOf(a)} is in ${one.name} but not in ${other.name}`;
    const field = differingField(a, b);
    if (field === undefined) continue;
    if (nameOf(a) !== nameOf(b)) return `${one.name} has ${nameOf(a)}, but ${other.name} has ${nameOf(b)}`;
    return `${nameOf(a)} differs in ${String(field)}: ${shown(a[field])} in ${one.name}, ${shown(b[field])} in ${other.name}`;
  }
  return undefined;
}

function differingField<Item extends object>(a: Item, b: Item): keyof Item | undefined {
  return (Object.keys(a) as (keyof Item)[]).find((field) => a[field] !== b[field]);
}

function nameOfLoss({ storeId, first, last }: DeclaredLoss): string {
  const sequence = storeId === undefined ? 'order_ids' : `order_numbers of store ${storeId}`;
  return `the declared loss of the ${sequence} ${first} to ${last}`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
