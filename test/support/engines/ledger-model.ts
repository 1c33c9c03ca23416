import type { Allocation, AllocationRequest } from '../../../src/core/allocation.ts';
import { DEFAULT_FIRST_NUMBER, INT64_MAX, newRequestId } from '../../../src/core/allocation.ts';

/** The counters of a ledger, as an engine keeps them: always the last one given. */
export interface Counters {
  readonly lastOrderId?: bigint;
  readonly lastNumber?: { readonly storeId: bigint; readonly lastNumber: bigint };
  readonly lastCreateTimeMs?: number;
}

type Pair = AllocationRequest & Pick<Allocation, 'orderId' | 'orderNumber'>;

/** What toMatchObject finds in an outcome. */
type Expected =
  { readonly allocation: Pair; readonly replayed: boolean } | { readonly refused: { readonly reason: string } };

/** What P1, P2, P5 and P6 come to, in the fewest words. */
export class LedgerModel {
  readonly allocations = new Map<string, Pair>();
  #lastOrderId: bigint;
  readonly #lastNumbers = new Map<bigint, bigint>();

  constructor({ lastOrderId = 0n, lastNumber }: Counters = {}) {
    this.#lastOrderId = lastOrderId;
    if (lastNumber) this.#lastNumbers.set(lastNumber.storeId, lastNumber.lastNumber);
  }

  allocate(request: AllocationRequest): Expected {
    const { storeId, requestId, count } = request;
    const key = `${storeId} ${requestId}`;
    const original = this.allocations.get(key);
    if (original) return { allocation: original, replayed: true };
    const lastNumber = this.#lastNumbers.get(storeId) ?? DEFAULT_FIRST_NUMBER - 1n;
    const ends = [this.#lastOrderId + BigInt(count), lastNumber + BigInt(count)] as const;
    if (ends.some((end) => end > INT64_MAX)) return { refused: { reason: 'SEQUENCE_EXHAUSTED' } };
    const allocation = { ...request, orderId: this.#lastOrderId + 1n, orderNumber: lastNumber + 1n };
    this.allocations.set(key, allocation);
    [this.#lastOrderId] = ends;
    this.#lastNumbers.set(storeId, ends[1]);
    return { allocation, replayed: false };
  }
}

/** A request under a new key. */
export function ask(storeId: bigint, count = 1): AllocationRequest {
  return { storeId, count, requestId: newRequestId(), caller: '' };
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** Whole numbers from 0 to below a bound, the same ones for the same seed (mulberry32). */
export function randomIntegers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}
