import type { NumberRange, VerifyEvent } from './events.ts';

/** A declared loss as a ledger stores it; a range of order_ids has no store. */
export interface DeclaredLoss {
  readonly storeId: bigint | null;
  readonly first: bigint;
  readonly last: bigint;
}

/** The ranges that a deliberate return to an older copy gave up: numbers in them are not holes. */
export class Losses {
  /** The ranges of each store, in order; those of the sequence over all stores are under undefined. */
  readonly #ranges = new Map<bigint | undefined, NumberRange[]>();

  /** `declared` comes in order inside each sequence; with a store's id, only what concerns that store counts. */
  constructor(declared: Iterable<DeclaredLoss>, onlyStore: bigint | undefined) {
    for (const { first, last, ...range } of declared) {
      const storeId = range.storeId ?? undefined;
      if (onlyStore !== undefined && storeId !== onlyStore) continue;
      const known = this.#ranges.get(storeId);
      if (known) known.push({ storeId, first, last });
      else this.#ranges.set(storeId, [{ storeId, first, last }]);
    }
  }

  *events(): Generator<VerifyEvent> {
    for (const ranges of this.#ranges.values()) for (const range of ranges) yield { kind: 'declaredLoss', ...range };
  }

  /** The stores that something was declared for. */
  stores(): bigint[] {
    return [...this.#ranges.keys()].filter((storeId) => storeId !== undefined);
  }

  /** How many numbers of a sequence were declared as lost. */
  numbers(storeId: bigint | undefined): bigint {
    return this.#of(storeId).reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
  }

  /** The end of a store whose last row ends at `last`: a loss that follows directly belongs to it, up to its counter. */
  endAfter(storeId: bigint, last: bigint, counter: bigint): bigint {
    let end = last;
    for (const loss of this.#of(storeId)) if (loss.first === end + 1n && loss.last <= counter) end = loss.last;
    return end;
  }

  /** The parts of a range of missing numbers that were not declared lost, in order. */
  undeclared({ storeId, first, last }: NumberRange): NumberRange[] {
    const holes: NumberRange[] = [];
    let next = first;
    for (const loss of this.#of(storeId)) {
      if (loss.last < next || loss.first > last) continue;
      if (loss.first > next) holes.push({ storeId, first: next, last: loss.first - 1n });
      next = loss.last + 1n;
    }
    if (next <= last) holes.push({ storeId, first: next, last });
    return holes;
  }

  #of(storeId: bigint | undefined): readonly NumberRange[] {
    return this.#ranges.get(storeId) ?? [];
  }
}
