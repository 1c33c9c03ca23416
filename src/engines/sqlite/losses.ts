import type Database from 'better-sqlite3';
import type { NumberRange, VerifyEvent } from '../../verification.ts';

interface LossRow {
  readonly store_id: bigint | null;
  readonly first: bigint;
  readonly last: bigint;
}

/** The ranges that a deliberate return to an older copy gave up: numbers in them are not holes. */
export class Losses {
  readonly #ranges: readonly NumberRange[];

  /** With a store's id, only what concerns that store. */
  constructor(db: Database.Database, storeId: bigint | undefined) {
    this.#ranges = db
      .prepare<[], LossRow>('SELECT store_id, first, last FROM declared_losses ORDER BY store_id, first')
      .all()
      .map(({ store_id, first, last }) => ({ storeId: store_id ?? undefined, first, last }))
      .filter((range) => storeId === undefined || range.storeId === storeId);
  }

  *events(): Generator<VerifyEvent> {
    for (const range of this.#ranges) yield { kind: 'declaredLoss', ...range };
  }

  /** Where a sequence ends whose last row ends at `last`: a loss that follows at once belongs to it. */
  endAfter(storeId: bigint | undefined, last: bigint): bigint {
    let end = last;
    for (const loss of this.#ranges) if (loss.storeId === storeId && loss.first === end + 1n) end = loss.last;
    return end;
  }

  /** What of a range of missing numbers was not declared, in order. */
  undeclared({ storeId, first, last }: NumberRange): NumberRange[] {
    const holes: NumberRange[] = [];
    let next = first;
    for (const loss of this.#ranges) {
      if (loss.storeId !== storeId || loss.last < next || loss.first > last) continue;
      if (loss.first > next) holes.push({ storeId, first: next, last: loss.first - 1n });
      next = loss.last + 1n;
    }
    if (next <= last) holes.push({ storeId, first: next, last });
    return holes;
  }
}
