import type { Allocation, AllocationRequest } from '../allocation.ts';
import type { OrderError } from '../errors.ts';
import type { EndedBatch } from '../observers.ts';

/** Tells whether a call was cancelled or its deadline has passed. An AbortSignal is one. */
export interface CallSignal {
  readonly aborted: boolean;
}

/** The answer to one request. */
export interface Allocated {
  readonly allocation: Allocation;
  /** True if an earlier call, or a racing copy of this one, has allocated it. */
  readonly replayed: boolean;
}

/** What waits for the answer to one request: a call, or one of the requests of a call. It gets one answer. */
export interface Caller {
  readonly signal: CallSignal;
  /** The key for the fair queue: the caller's name, or its connection if it has none. */
  readonly origin: string;
  /** `batch` is the one that had the request. */
  resolve(answer: Allocated, batch: EndedBatch): void;
  /** `batch` is absent if the request was refused before one had it, or is given up while one has it. */
  reject(error: OrderError, batch?: EndedBatch): void;
}

/** A call as a transport hands it over. An empty `requestId` is absent: the allocator creates one. */
export interface AllocateCall extends AllocationRequest, Pick<Caller, 'signal' | 'origin'> {}
