import type { Allocation, AllocationRequest } from '../../../core/allocation.ts';
import { INT64_MAX } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import type { Outcome } from '../../../core/ledger.ts';
import { cancelled, sequenceExhausted, storeNotFound } from '../../../core/refusals.ts';
import type { Store } from '../../../core/store.ts';
import { DEFAULT_STORE } from '../../../core/store.ts';
import { callerBytes, rowBytes, storeBytes } from './entry-item.ts';
import type { LedgerView } from './ledger-view.ts';
import type { LogChange } from './log-entry.ts';

/**
 * Bytes of one log entry, at most. DynamoDB allows 400 KB, and counts the names of attributes, too:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
export const MAX_ENTRY_BYTES = 300_000;
/** The attributes of an entry beside its body, and the names in that. */
export const ENTRY_BYTES = 1000;

/** A batch as it was looked up before: its requests, and what the derived items had of them. */
export interface PreparedBatch {
  readonly requests: readonly AllocationRequest[];
  /** Whether the request at this place still has a caller. */
  readonly isWanted: (index: number) => boolean;
  /** What requests were given before, or why that cannot be read, by their places in the batch. */
  readonly known: ReadonlyMap<number, Allocation | OrderError>;
  /** Undefined for a store that did not exist, an error for one that cannot be read. */
  readonly stores: ReadonlyMap<bigint, Store | OrderError | undefined>;
  readonly autoCreateStores: boolean;
}

/** What a batch comes to, if the entry is the next one of the log. */
export interface NumberedBatch {
  /** One for each of the first requests: of all, or of as many as one entry takes. */
  readonly outcomes: readonly Outcome[];
  /** Undefined if nothing is new. */
  readonly change: LogChange | undefined;
}

/** Numbers the requests of a batch as of the head of the log. Changes nothing. */
export function numberBatch(view: LedgerView, batch: PreparedBatch): NumberedBatch {
  const createTimeMs = Math.max(Date.now(), view.lastCreateTimeMs);
  const stores = new Map<bigint, Store>();
  const created = new Set<bigint>();
  const callers = new Set<string>();
  const allocations: Allocation[] = [];
  let { lastOrderId } = view;
  let bytes = ENTRY_BYTES;

  const outcomeOf = (request: AllocationRequest, i: number): Outcome | 'no room' => {
    const original = batch.known.get(i) ?? view.allocation(request);
    if (original instanceof OrderError) return { refused: original };
    if (original) return { allocation: original, replayed: true };
    if (!batch.isWanted(i)) return { refused: cancelled() };
    const { storeId, requestId, count, caller } = request;
    const before = stores.get(storeId) ?? view.store(storeId) ?? batch.stores.get(storeId);
    if (before instanceof OrderError) return { refused: before };
    if (!before && !batch.autoCreateStores) return { refused: storeNotFound(storeId) };
    const store = before ?? newStore(storeId, createTimeMs);
    const numbers = BigInt(count);
    if (lastOrderId > INT64_MAX - numbers || store.lastNumber > INT64_MAX - numbers) {
      return { refused: sequenceExhausted(storeId) };
    }
    bytes += rowBytes(request);
    if (!stores.has(storeId)) bytes += storeBytes(store);
    if (!callers.has(caller)) bytes += callerBytes(caller);
    if (bytes > MAX_ENTRY_BYTES) return 'no room';

    const { prefix, suffix, minDigits } = store;
    const pair = { orderId: lastOrderId + 1n, orderNumber: store.lastNumber + 1n };
    const style = { prefix, suffix, minDigits };
    const allocation: Allocation = { storeId, requestId, count, caller, ...pair, ...style, createTimeMs };
    if (!before) created.add(storeId);
    stores.set(storeId, { ...store, lastNumber: store.lastNumber + numbers });
    callers.add(caller);
    lastOrderId += numbers;
    allocations.push(allocation);
    return { allocation, replayed: false };
  };

  const outcomes: Outcome[] = [];
  for (const [i, request] of batch.requests.entries()) {
    const outcome = outcomeOf(request, i);
    if (outcome === 'no room') break;
    outcomes.push(outcome);
  }
  const isNew = allocations.length > 0;
  const counters = { lastOrderId, createTimeMs, stores: [...stores.values()], created };
  return {
    outcomes,
    change: isNew ? { ...counters, allocations, losses: [], isMoving: false, movedTo: undefined } : undefined,
  };
}

function newStore(storeId: bigint, createTimeMs: number): Store {
  return { ...DEFAULT_STORE, storeId, lastNumber: DEFAULT_STORE.firstNumber - 1n, createTimeMs };
}
