import type { OrderNumbersError } from './order-numbers-error.ts';

/** An id or a number: int64 on the wire. A number must be a safe integer; beyond 2^53-1 only a bigint is exact. */
export type Id = bigint | number;

/** Where the server is, and how long a call may take. */
export interface ClientOptions {
  /** host:port, or a host alone for port 50051. */
  readonly address: string;
  /** Sent as `authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** true: the system's roots. PEM texts: this CA, and with cert and key a client certificate. Absent: plaintext. */
  readonly tls?: true | TlsOptions | undefined;
  /** Time limit of a call with all its retries, in milliseconds; of a list, of each page. 30000 unless given. */
  readonly timeoutMs?: number | undefined;
  /** Time limit of one attempt, in milliseconds; 5000 unless given. */
  readonly attemptTimeoutMs?: number | undefined;
  /** How long a call that only reads may take while no server was ever reached; as timeoutMs unless said. */
  readonly unreachableTimeoutMs?: number | undefined;
  /**
   * Called once per call that has no answer after a second because attempts failed, or because there is still no
   * connection: the call goes on, and the error says what is wrong so far. It must not throw.
   */
  readonly onRetrying?: ((error: OrderNumbersError) => void) | undefined;
}

/** PEM texts. */
export interface TlsOptions {
  /** Whom to trust; absent means the system's roots. */
  readonly ca?: Uint8Array | string | undefined;
  /** The client's own certificate, for mTLS; `key` goes with it. */
  readonly cert?: Uint8Array | string | undefined;
  readonly key?: Uint8Array | string | undefined;
}

/** What stops a call before it is answered. */
export interface CallOptions {
  /** Cancels the call, which then rejects with the code CANCELLED and the signal's reason as its cause. */
  readonly signal?: AbortSignal | undefined;
  /** As in {@link ClientOptions}, for this call. */
  readonly timeoutMs?: number | undefined;
}

/** What stops a stream; nothing else but its end does. */
export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What stops a watch, and what is told of its interruptions. */
export interface WatchOptions extends StreamOptions {
  /**
   * Called for each attempt that failed or broke off, before the next one; the first step after it says that the
   * watch is connected again. What it throws ends the watch.
   */
  readonly onInterrupted?: ((error: OrderNumbersError) => void) | undefined;
}

/** What to number. */
export interface AllocateRequest {
  readonly storeId: Id;
  /** Consecutive numbers, all or none; 1 to 1000; 1 if absent. */
  readonly count?: number | undefined;
  /**
   * The order's own key: the same store and requestId always get the same pair. 1 to 128 characters of 0x21
   * to 0x7E. If absent, one is created (a UUIDv7): then only the retries of this one call are safe.
   */
  readonly requestId?: string | undefined;
}

/** One row of the ledger: a run of `count` consecutive numbers, given to one request. */
export interface Allocation {
  /** First of the run in the sequence over all stores. */
  orderId: bigint;
  storeId: bigint;
  /** First of the run in the sequence of the store. */
  orderNumber: bigint;
  count: number;
  /** The first orderNumber as customers see it. */
  displayNumber: string;
  prefix: string;
  suffix: string;
  minDigits: number;
  requestId: string;
  /** In whole milliseconds; never falls as orderId rises. */
  createTime: Date;
}

/** An answer of `allocate`. */
export interface Allocated extends Allocation {
  /** True if an earlier call, or an earlier attempt of this one, had it allocated already. */
  replayed: boolean;
}

/** What to look an allocation up by. A number inside a run finds the run. */
export type AllocationKey =
  | { readonly orderId: Id }
  | { readonly storeId: Id; readonly orderNumber: Id }
  | { readonly storeId: Id; readonly requestId: string };

export interface ListFilter {
  /** Only this store's allocations. */
  readonly storeId?: Id | undefined;
  /** Only those whose last orderId is above this. */
  readonly afterOrderId?: Id | undefined;
  /** Only those whose first orderId is below this. */
  readonly beforeOrderId?: Id | undefined;
  /** From the end of the list back. */
  readonly newestFirst?: boolean | undefined;
  /** Allocations fetched at once, 1 to 1000; the server's 100 if absent. */
  readonly pageSize?: number | undefined;
}

export interface WatchStart {
  /** Only what is above this: 0 means all, absent means from now on. */
  readonly afterOrderId?: Id | undefined;
  /** Only this store's allocations. */
  readonly storeId?: Id | undefined;
}

/** A step of a watch. The first comes at once, with the starting cursor. */
export interface WatchStep {
  /** In orderId order; may be empty. */
  allocations: Allocation[];
  /** The last orderId looked at: a watch with it as `afterOrderId` misses and repeats nothing. */
  cursor: bigint;
}

/** A shop with a sequence of its own. */
export interface Store {
  storeId: bigint;
  firstNumber: bigint;
  /** The orderNumber that the next allocation gets; 0n when the sequence is used up. */
  nextNumber: bigint;
  prefix: string;
  suffix: string;
  minDigits: number;
  createTime: Date;
}

/** How a store numbers. */
export interface StoreSettings {
  /** 1 to 2^63-1; a new store's is 100 if absent. Fixed from the first allocation on. */
  readonly firstNumber?: Id | undefined;
  /** Up to 32 printable ASCII characters, and so is `suffix`. */
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
  /** Digits that displayNumber pads to with zeros, 0 to 19. */
  readonly minDigits?: number | undefined;
}

export interface NewStore extends StoreSettings {
  readonly storeId: Id;
}

/** Numbers of one sequence: a store's, or without storeId of the one over all stores. */
export interface NumberRange {
  storeId: bigint | undefined;
  first: bigint;
  last: bigint;
}

/** A step of `verifyLedger`. */
export type VerifyStep =
  /** How far the reading is. */
  | { kind: 'progress'; rowsRead: bigint; orderId: bigint; endOrderId: bigint }
  /** A sequence read to its end; last is first - 1 if no number was given. */
  | ({ kind: 'sequence'; count: bigint } & NumberRange)
  /** Something that is wrong, with one sentence for people. */
  | ({ kind: 'finding'; findingKind: FindingKind; message: string } & NumberRange)
  /** Numbers given up by a deliberate return to an older copy: not a hole. */
  | ({ kind: 'declaredLoss' } & NumberRange)
  /** Always the last step. */
  | { kind: 'verdict'; asOfOrderId: bigint; rows: bigint; sequences: bigint; findings: bigint; ok: boolean };

/** What a finding is about; `unknown` is one that this client is too old for. */
export type FindingKind = 'hole' | 'overlap' | 'mismatch' | 'unknown';

/**
 * Order numbers, exactly once. Every method rejects with an OrderNumbersError, or with a TypeError that names
 * the value if an argument cannot be sent as it is.
 */
export interface OrderNumbersClient {
  /**
   * Gives the next order of a store its pair, or a run of `count` pairs. Retries with the same requestId until
   * an answer is definite or the time is up; an error with the outcome 'unknown' names the requestId to ask
   * again with.
   */
  allocate(request: AllocateRequest, options?: CallOptions): Promise<Allocated>;
  /** Looks one allocation up. Not found settles nothing about a call still under way. */
  getAllocation(key: AllocationKey, options?: CallOptions): Promise<Allocation>;
  /**
   * Allocations in orderId order, or newest first, up to the end that the first page saw; fetches page after page,
   * as they are needed.
   */
  listAllocations(filter?: ListFilter, options?: CallOptions): AsyncIterableIterator<Allocation>;
  /**
   * Allocations in orderId order, history first, then as they happen. Connects again from its cursor for as
   * long as it takes, and misses and repeats nothing. Ends when its signal is aborted or it is returned;
   * throws only what no reconnecting can mend, such as a token that is not valid, or when the client is closed.
   */
  watchAllocations(from?: WatchStart, options?: WatchOptions): AsyncIterableIterator<WatchStep>;
  /**
   * Creates a store. Retried only if the server says that nothing was done, or asks for it. If STORE_EXISTS follows an
   * attempt without an answer, it resolves if the store has exactly these settings, and rejects with the outcome
   * 'unknown' if not.
   */
  createStore(store: NewStore, options?: CallOptions): Promise<Store>;
  getStore(storeId: Id, options?: CallOptions): Promise<Store>;
  /** Changes the given settings and leaves the others. Retried: setting a value twice does no harm. */
  updateStore(storeId: Id, changes: StoreSettings, options?: CallOptions): Promise<Store>;
  /** All stores in storeId order; fetches page after page. */
  listStores(filter?: { readonly pageSize?: number | undefined }, options?: CallOptions): AsyncIterableIterator<Store>;
  /** Reads the ledger, or one store's sequence, from end to end. Not retried; throws if the verdict is missing. */
  verifyLedger(
    scope?: { readonly storeId?: Id | undefined },
    options?: StreamOptions,
  ): AsyncIterableIterator<VerifyStep>;
  /** Closes the connection. Calls under way reject with the code CANCELLED, and so do later ones. */
  close(): void;
}
