import type { Allocation } from '../../../../core/allocation.ts';
import { lastOrderIdOf } from '../../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../../core/move/contents.ts';
import type { Store } from '../../../../core/store.ts';
import { callerBytes, rowBytes, storeBytes } from '../../log/entry-item.ts';
import type { LogChange } from '../../log/log-entry.ts';
import { ENTRY_BYTES, MAX_ENTRY_BYTES } from '../../log/numbering.ts';

/** Bytes of a declared loss in an entry, at most: three numbers, a time, and what is between. */
const LOSS_BYTES = 100;

/** The counters that an entry leaves as they are. */
export type Counters = Pick<LogChange, 'lastOrderId' | 'createTimeMs'>;

/**
 * The log entries that give these allocations, which are in order. The numbers of an entry end at its counters and have
 * no hole, and its stores have one style, so wherever one of these changes a new entry begins. `stores` are those known
 * before; any other is created as its first allocation shows it. What a row does not say of a store may be wrong.
 */
export function* entriesOf(
  allocations: readonly Allocation[],
  stores: ReadonlyMap<bigint, Store>,
): Generator<LogChange, void> {
  const left = new Map(stores);
  let draft: RowsDraft | undefined;
  for (const allocation of allocations) {
    if (draft && !draft.takes(allocation)) {
      yield draft.change();
      draft = undefined;
    }
    draft ??= new RowsDraft(left);
    draft.add(allocation);
  }
  if (draft) yield draft.change();
}

class RowsDraft {
  /** As they are after it; shared by the drafts. */
  readonly #left: Map<bigint, Store>;
  readonly #touched = new Set<bigint>();
  readonly #created = new Set<bigint>();
  readonly #callers = new Set<string>();
  readonly #allocations: Allocation[] = [];
  #bytes = ENTRY_BYTES;

  constructor(left: Map<bigint, Store>) {
    this.#left = left;
  }

  takes(allocation: Allocation): boolean {
    const last = this.#allocations.at(-1);
    if (last && allocation.orderId !== lastOrderIdOf(last) + 1n) return false;
    if (this.#touched.has(allocation.storeId) && !continues(this.#left.get(allocation.storeId)!, allocation))
      return false;
    return this.#bytes + this.#bytesOf(allocation) <= MAX_ENTRY_BYTES;
  }

  add(allocation: Allocation): void {
    this.#bytes += this.#bytesOf(allocation);
    const { storeId, orderNumber, count, createTimeMs, caller, prefix, suffix, minDigits } = allocation;
    const known = this.#left.get(storeId);
    if (!known) this.#created.add(storeId);
    const { firstNumber, createTimeMs: madeMs } = known ?? { firstNumber: orderNumber, createTimeMs };
    const lastNumber = orderNumber + BigInt(count) - 1n;
    this.#left.set(storeId, { storeId, firstNumber, lastNumber, createTimeMs: madeMs, prefix, suffix, minDigits });
    this.#touched.add(storeId);
    this.#callers.add(caller);
    this.#allocations.push(allocation);
  }

  change(): LogChange {
    const last = this.#allocations.at(-1)!;
    return {
      ...moving({ lastOrderId: lastOrderIdOf(last), createTimeMs: last.createTimeMs }),
      stores: [...this.#touched].map((storeId) => this.#left.get(storeId)!),
      created: this.#created,
      allocations: this.#allocations,
    };
  }

  #bytesOf(allocation: Allocation): number {
    const { storeId, caller } = allocation;
    const forCaller = this.#callers.has(caller) ? 0 : callerBytes(caller);
    return rowBytes(allocation) + forCaller + (this.#touched.has(storeId) ? 0 : storeBytes(allocation));
  }
}

function continues(store: Store, { orderNumber, prefix, suffix, minDigits }: Allocation): boolean {
  const isSameStyle = store.prefix === prefix && store.suffix === suffix && store.minDigits === minDigits;
  return isSameStyle && orderNumber === store.lastNumber + 1n;
}

/** A store to write, and whether the log has none of this id yet. */
export interface WrittenStore {
  readonly store: Store;
  readonly isNew: boolean;
}

/** Log entries that write these stores, and leave the counters as they are. */
export function* storeEntriesOf(stores: readonly WrittenStore[], counters: Counters): Generator<LogChange, void> {
  for (const some of cut(stores, ({ store }) => storeBytes(store))) {
    const created = new Set(some.flatMap(({ store, isNew }) => (isNew ? [store.storeId] : [])));
    yield { ...moving(counters), stores: some.map(({ store }) => store), created };
  }
}

/** The same for declared losses. */
export function* lossEntriesOf(losses: readonly DeclaredLoss[], counters: Counters): Generator<LogChange, void> {
  for (const some of cut(losses, () => LOSS_BYTES)) yield { ...moving(counters), losses: some };
}

function* cut<Each>(all: readonly Each[], bytesOf: (each: Each) => number): Generator<Each[], void> {
  let some: Each[] = [];
  let bytes = ENTRY_BYTES;
  for (const each of all) {
    bytes += bytesOf(each);
    if (bytes > MAX_ENTRY_BYTES && some.length > 0) {
      yield some;
      some = [];
      bytes = ENTRY_BYTES + bytesOf(each);
    }
    some.push(each);
  }
  if (some.length > 0) yield some;
}

/** An entry during which no server may number, that changes only the counters. */
export function moving(counters: Counters): LogChange {
  const nothing = { stores: [], created: new Set<bigint>(), allocations: [], losses: [] };
  return { ...nothing, ...counters, isMoving: true, movedTo: undefined };
}
