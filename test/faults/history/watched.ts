import type { Allocation } from '../../../src/client/index.ts';
import type { Pair } from './pair.ts';
import { pairOf } from './pair.ts';

/** What one watch saw, in its order, through all of its reconnections. */
export class Watched {
  readonly by: string;
  readonly afterOrderId: bigint;
  readonly storeId: bigint | undefined;
  readonly pairs: Pair[] = [];
  /** Where it would resume. */
  cursor: bigint;

  constructor(by: string, afterOrderId: bigint, storeId: bigint | undefined) {
    this.by = by;
    this.afterOrderId = afterOrderId;
    this.storeId = storeId;
    this.cursor = afterOrderId;
  }

  step({ allocations, cursor }: { readonly allocations: readonly Allocation[]; readonly cursor: bigint }): void {
    for (const allocation of allocations) this.pairs.push(pairOf(allocation));
    this.cursor = cursor;
  }
}
