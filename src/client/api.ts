import type { OrderNumbersError } from './order-numbers-error.ts';
import type { ServerStatus } from './streams/server-status.ts';
import type { VerifyStep } from './streams/verify-step.ts';

/** An int64 on the wire. A number must be a safe integer; above 2^53-1 only a bigint is exact. */
export type Id = bigint | number;

/** The server's address, the credentials, and the time limits of calls. */
export interface ClientOptions {
  /**
   * host:port, not a URL; the port defaults to 50051. Default 127.0.0.1:50051: no environment variable is read, except
   * for those of a proxy.
   */
  readonly address?: string | undefined;
  /** Sent as `authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** true: TLS with the system's root certificates. TlsOptions: TLS with these PEM texts. Absent or false: plaintext. */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Time limit of a call including its retries, in milliseconds; for a list, of each page. Default 30000. */
  readonly timeoutMs?: number | undefined;
  /** Time limit of one attempt, in milliseconds, once it is sent. Default 5000. */
  readonly attemptTimeoutMs?: number | undefined;
  /**
   * Time limit of a call that only reads, in milliseconds, while this client has never reached a server. Defaults to
   * timeoutMs.
   */
  readonly unreachableTimeoutMs?: number | undefined;
  /**
   * Whether allocations that are asked for in one turn of the event loop, or while others wait for their answers, go in
   * one call, BatchAllocateOrders. Default true. Each keeps its own time limit, signal, retries and error. A lone one is
   * sent at once by a call of its own. At most two calls are in flight, each with about half of the requests if there
   * are more than 20, and up to 8 if both take more than 50 ms; each has up to 1000 requests and 256 KiB. A server that
   * does not know BatchAllocateOrders gets single calls; the method is tried again on the next connection, and after a
   * minute. False: each allocation is a call of its own.
   */
  readonly combine?: boolean | undefined;
  /**
   * Called at most once per call, if there is no answer after a second because attempts failed or there is still no
   * connection. The call keeps retrying; the error says what is wrong so far. Must not throw.
   */
  readonly onRetrying?: ((error: OrderNumbersError) => void) | undefined;
}

/** Certificates and a key, as PEM texts. */
export interface TlsOptions {
  /** The certificate authorities to trust; absent means the system's. */
  readonly ca?: Uint8Array | string | undefined;
  /** The client certificate, for mutual TLS; requires `key`. */
  readonly cert?: Uint8Array | string | undefined;
  readonly key?: Uint8Array | string | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Cancels the call, which rejects with the code CANCELLED and the signal's reason as its cause. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides {@link ClientOptions.timeoutMs} for this call, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Options of a stream, which has no time limit. */
export interface StreamOptions {
  /** Cancels the stream. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a watch. */
export interface WatchOptions extends StreamOptions {
  /**
   * Called for each attempt that failed or broke off, before the next retry; the next step means that the watch is
   * connected again. An error that it throws ends the watch.
   */
  readonly onInterrupted?: ((error: OrderNumbersError) => void) | undefined;
}

/** A request for the next number of a store, or for a run of them. */
export interface AllocateRequest {
  readonly storeId: Id;
  /** How many consecutive numbers, 1 to 1000; all or none are allocated. Default 1. */
  readonly count?: number | undefined;
  /**
   * The idempotency key of the order: the same store and requestId always get the same numbers, so a retry never
   * creates a duplicate. 1 to 128 printable ASCII characters without spaces (0x21 to 0x7E). If absent, a UUIDv7 is
   * created: then only the retries within this call are safe.
   */
  readonly requestId?: string | undefined;
}

/** One row of the ledger: a run of `count` consecutive numbers allocated to one request. */
export interface Allocation {
  /** The first number of the run in the sequence over all stores. */
  orderId: bigint;
  storeId: bigint;
  /** The first number of the run in the store's sequence. */
  orderNumber: bigint;
  count: number;
  /** The first orderNumber as customers see it. */
  displayNumber: string;
  prefix: string;
  suffix: string;
  minDigits: number;
  requestId: string;
  /** In whole milliseconds; never decreases as orderId increases. */
  createTime: Date;
  /**
   * Who allocated it: the name of the token or certificate of the first call with this requestId. Up to 64 printable
   * ASCII characters; empty if the server was open, or older than this field.
   */
  caller: string;
}

/** The answer of `allocate`. */
export interface Allocated extends Allocation {
  /** True if an earlier call, or an earlier attempt of this call, already allocated it. */
  replayed: boolean;
}

/** The key for a lookup of an allocation. Any number in a run finds the run. */
export type AllocationKey =
  | { readonly orderId: Id }
  | { readonly storeId: Id; readonly orderNumber: Id }
  | { readonly storeId: Id; readonly requestId: string };

/** Which allocations to list, and in which order. */
export interface ListFilter {
  /** Only this store's allocations. */
  readonly storeId?: Id | undefined;
  /** Only allocations whose last orderId is above this one. */
  readonly afterOrderId?: Id | undefined;
  /** Only allocations whose first orderId is below this one. */
  readonly beforeOrderId?: Id | undefined;
  /** Newest first instead of oldest first. */
  readonly newestFirst?: boolean | undefined;
  /** Allocations per page, 1 to 1000. Default 100. */
  readonly pageSize?: number | undefined;
}

/** Where a watch starts, and what it covers. */
export interface WatchStart {
  /** Only allocations above this orderId: 0 means all, absent means from now on. */
  readonly afterOrderId?: Id | undefined;
  /** Only this store's allocations. */
  readonly storeId?: Id | undefined;
}

/** A step of a watch. The first arrives at once, with the starting cursor. */
export interface WatchStep {
  /** In orderId order; may be empty. */
  allocations: Allocation[];
  /** The last orderId covered: a watch with it as `afterOrderId` resumes without a gap and without a duplicate. */
  cursor: bigint;
}

/** A shop with its own sequence of order numbers. */
export interface Store {
  storeId: bigint;
  firstNumber: bigint;
  /** The orderNumber that the next allocation gets; 0n if the sequence is exhausted. */
  nextNumber: bigint;
  prefix: string;
  suffix: string;
  minDigits: number;
  createTime: Date;
}

/** The settings of a store. */
export interface StoreSettings {
  /** 1 to 2^63-1; 100 for a new store if absent. Fixed once the store has an allocation. */
  readonly firstNumber?: Id | undefined;
  /** Text before the number in displayNumber, up to 32 printable ASCII characters. */
  readonly prefix?: string | undefined;
  /** Text after the number in displayNumber, up to 32 printable ASCII characters. */
  readonly suffix?: string | undefined;
  /** The number of digits to which displayNumber is zero-padded, 0 to 19. */
  readonly minDigits?: number | undefined;
}

/** A store to create. */
export interface NewStore extends StoreSettings {
  readonly storeId: Id;
}

/**
 * Allocates and reads order numbers, exactly once. Every method rejects with an OrderNumbersError, or with a TypeError
 * that names the value if an argument is not valid.
 */
export interface OrderNumbersClient {
  /**
   * Allocates the next number of a store, or a run of `count` numbers. Retries with the same requestId until the
   * answer is definite or the time is up. An error with the outcome 'unknown' has the requestId to retry with. At most
   * 100,000 calls of a client may be unanswered, if it combines them: a further one rejects at once, with the code
   * RESOURCE_EXHAUSTED and the outcome 'refused'. A call that ends early, by its signal or its time, was not done if it
   * was not sent yet; otherwise the server may still do it, and the outcome is 'unknown'.
   */
  allocate(request: AllocateRequest, options?: CallOptions): Promise<Allocated>;
  /** Looks up one allocation. NOT_FOUND does not prove that a call in flight will fail. */
  getAllocation(key: AllocationKey, options?: CallOptions): Promise<Allocation>;
  /**
   * Lists allocations in orderId order, or newest first, up to the end of the ledger at the first page. Fetches pages
   * as they are needed.
   */
  listAllocations(filter?: ListFilter, options?: CallOptions): AsyncIterableIterator<Allocation>;
  /**
   * Streams allocations in orderId order: history first, then live. Reconnects from its cursor for as long as it takes,
   * without a gap and without a duplicate. Ends when its signal is aborted or its `return` is called; throws only if
   * reconnecting cannot help, as for an invalid token, or when the client is closed.
   */
  watchAllocations(from?: WatchStart, options?: WatchOptions): AsyncIterableIterator<WatchStep>;
  /**
   * Creates a store. Retries only if the server says when to retry. If STORE_EXISTS follows an attempt without an answer,
   * resolves if the store has exactly these settings, and rejects with the outcome 'unknown' otherwise.
   */
  createStore(store: NewStore, options?: CallOptions): Promise<Store>;
  /** Looks up one store. */
  getStore(storeId: Id, options?: CallOptions): Promise<Store>;
  /** Changes the given settings and keeps the others. Retries, because setting a value twice does no harm. */
  updateStore(storeId: Id, changes: StoreSettings, options?: CallOptions): Promise<Store>;
  /** Lists all stores in storeId order. Fetches pages of 1 to 1000 stores as they are needed. */
  listStores(filter?: { readonly pageSize?: number | undefined }, options?: CallOptions): AsyncIterableIterator<Store>;
  /** Reads the ledger, or one store's sequence, from end to end. Never retries; throws if the verdict is missing. */
  verifyLedger(
    scope?: { readonly storeId?: Id | undefined },
    options?: StreamOptions,
  ): AsyncIterableIterator<VerifyStep>;
  /**
   * Streams what the server is doing: its state at once, then once per second; a slow consumer misses steps.
   * Reconnects for as long as it takes, perhaps to another server, whose startTime then differs. Ends as a watch of
   * allocations does. The caller needs the verb read for all stores.
   */
  watchServer(options?: WatchOptions): AsyncIterableIterator<ServerStatus>;
  /** Closes the connection. Calls in flight and later ones reject with the code CANCELLED. */
  close(): void;
}
