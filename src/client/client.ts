import { DEFAULT_FIRST_NUMBER } from '../core/allocation.ts';
import type { Store as WireStore } from '../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../wire/gen/orders/v1/orders.ts';
import type {
  Allocated,
  AllocateRequest,
  Allocation,
  AllocationKey,
  CallOptions,
  ClientOptions,
  Id,
  ListFilter,
  NewStore,
  OrderNumbersClient,
  Store,
  StoreSettings,
  StreamOptions,
  WatchOptions,
  WatchStart,
  WatchStep,
} from './api.ts';
import { Combiner } from './combining/combiner.ts';
import type { Method } from './connection/connection.ts';
import { Connection } from './connection/connection.ts';
import { stoppable } from './iteration.ts';
import {
  fromAllocated,
  fromAllocation,
  fromStore,
  toAllocation,
  toInt32,
  toInt64,
  toKey,
  toList,
  toOptionalInt64,
  toStore,
  toUpdateMask,
} from './messages.ts';
import { OrderNumbersError } from './order-numbers-error.ts';
import { toTimeout } from './options.ts';
import type { Policy } from './policy.ts';
import { allocationOf, READ, untilDefinite } from './policy.ts';
import { RequestIds } from './request-ids.ts';
import type { Limits } from './retry.ts';
import { withRetries } from './retry.ts';
import { pages } from './streams/pages.ts';
import type { ServerStatus } from './streams/server-status.ts';
import { verification } from './streams/verification.ts';
import type { VerifyStep } from './streams/verify-step.ts';
import { watchAllocations, watchServer } from './streams/watch.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_ATTEMPT_TIMEOUT_MS = 5_000;

const CREATE_STORE: Policy = {
  mayRetry: (failure) => failure.retryDelayMs !== undefined,
  advice: 'getStore shows whether the store exists',
};
const UPDATE_STORE: Policy = { mayRetry: untilDefinite, advice: 'retry, setting a value twice does no harm' };

/**
 * A client of the server at `address`, by default 127.0.0.1:50051. Throws a TypeError that names an option which is not
 * valid; connects at the first call.
 */
export function createClient(options: ClientOptions = {}): OrderNumbersClient {
  return new Client(options);
}

class Client implements OrderNumbersClient {
  readonly #connection: Connection;
  readonly #combiner: Combiner | undefined;
  readonly #requestIds = new RequestIds();
  readonly #timeoutMs: number;
  readonly #attemptTimeoutMs: number;
  readonly #unreachableTimeoutMs: number;
  readonly #onRetrying: ClientOptions['onRetrying'];

  constructor(options: ClientOptions) {
    this.#connection = new Connection(options);
    const { onRetrying, combine = true } = options;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#attemptTimeoutMs = options.attemptTimeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS;
    this.#unreachableTimeoutMs = options.unreachableTimeoutMs ?? Infinity;
    this.#onRetrying = onRetrying;
    this.#combiner = combine ? new Combiner(this.#connection, this.#attemptTimeoutMs, onRetrying) : undefined;
  }

  /** Not an async function, because that would keep objects of its own for each of many callers. */
  allocate(request: AllocateRequest, options?: CallOptions): Promise<Allocated> {
    return new Promise((resolve, reject) => {
      const wanted = toAllocation(request, this.#requestIds);
      if (this.#combiner) {
        const timeoutMs = this.#timeout(options?.timeoutMs);
        return this.#combiner.allocate(wanted, timeoutMs, options?.signal, resolve, reject);
      }
      const policy = allocationOf(wanted.requestId);
      if (wanted.count === 1) resolve(this.#ask(service.allocateOrder, wanted, fromAllocated, policy, options));
      else resolve(this.#ask(service.allocateOrders, wanted, fromAllocated, policy, options));
    });
  }

  async getAllocation(key: AllocationKey, options?: CallOptions): Promise<Allocation> {
    return this.#ask(service.getAllocation, toKey(key), ({ allocation }) => fromAllocation(allocation), READ, options);
  }

  listAllocations(filter: ListFilter = {}, options?: CallOptions): AsyncIterableIterator<Allocation> {
    const list = toList(filter);
    return pages(async (pageToken, returned) =>
      this.#ask(
        service.listAllocations,
        { ...list, pageToken },
        (page) => ({ items: page.allocations.map(fromAllocation), nextPageToken: page.nextPageToken }),
        READ,
        options,
        returned,
      ),
    );
  }

  watchAllocations(start: WatchStart = {}, options: WatchOptions = {}): AsyncIterableIterator<WatchStep> {
    const afterOrderId = toOptionalInt64('afterOrderId', start.afterOrderId);
    const storeId = toOptionalInt64('storeId', start.storeId);
    const from = { afterOrderId, storeId };
    return stoppable((returned) => watchAllocations(this.#connection, from, options, returned));
  }

  async createStore(store: NewStore, options?: CallOptions): Promise<Store> {
    const wanted = toStore(store.storeId, store);
    try {
      return await this.#ask(
        service.createStore,
        { store: wanted },
        (response) => fromStore(response.store),
        CREATE_STORE,
        options,
      );
    } catch (error) {
      const mayBeOurs =
        error instanceof OrderNumbersError && error.outcome === 'unknown' && error.reason === 'STORE_EXISTS';
      if (!mayBeOurs) throw error;
      const found = await this.getStore(wanted.storeId, options).catch(() => undefined);
      if (found && hasSettings(found, wanted)) return found;
      throw error;
    }
  }

  async getStore(storeId: Id, options?: CallOptions): Promise<Store> {
    const request = { storeId: toInt64('storeId', storeId) };
    return this.#ask(service.getStore, request, ({ store }) => fromStore(store), READ, options);
  }

  async updateStore(storeId: Id, changes: StoreSettings, options?: CallOptions): Promise<Store> {
    const request = { store: toStore(storeId, changes), updateMask: toUpdateMask(changes) };
    return this.#ask(service.updateStore, request, ({ store }) => fromStore(store), UPDATE_STORE, options);
  }

  listStores(
    filter: { readonly pageSize?: number | undefined } = {},
    options?: CallOptions,
  ): AsyncIterableIterator<Store> {
    const pageSize = toInt32('pageSize', filter.pageSize ?? 0);
    return pages(async (pageToken, returned) =>
      this.#ask(
        service.listStores,
        { pageSize, pageToken },
        (page) => ({ items: page.stores.map(fromStore), nextPageToken: page.nextPageToken }),
        READ,
        options,
        returned,
      ),
    );
  }

  verifyLedger(
    scope: { readonly storeId?: Id | undefined } = {},
    { signal }: StreamOptions = {},
  ): AsyncIterableIterator<VerifyStep> {
    const storeId = toOptionalInt64('storeId', scope.storeId);
    const connectMs = Math.min(this.#unreachableTimeoutMs, this.#attemptTimeoutMs);
    return stoppable((returned) => verification(this.#connection, { storeId }, connectMs, signal, returned));
  }

  watchServer(options: WatchOptions = {}): AsyncIterableIterator<ServerStatus> {
    return stoppable((returned) => watchServer(this.#connection, options, returned));
  }

  close(): void {
    this.#connection.close();
  }

  /** Calls with retries, and reads the answer; an unreadable one counts as none. */
  async #ask<Request, Response, Answer>(
    method: Method<Request, Response>,
    request: Request,
    read: (response: Response) => Answer,
    policy: Policy,
    options?: CallOptions,
    returned?: AbortSignal,
  ): Promise<Answer> {
    const limits = this.#limits(options, returned);
    const attempt = async (msLeft: number) => {
      const timeoutMs = Math.min(this.#attemptTimeoutMs, msLeft);
      return read(await this.#connection.call(method, request, timeoutMs, limits.signals).answer);
    };
    return withRetries(attempt, policy, limits, this.#connection);
  }

  #timeout(ms: number | undefined): number {
    return ms === undefined ? this.#timeoutMs : toTimeout('timeoutMs', ms);
  }

  #limits({ signal, timeoutMs }: CallOptions = {}, returned?: AbortSignal): Limits {
    return {
      timeoutMs: this.#timeout(timeoutMs),
      unreachableTimeoutMs: this.#unreachableTimeoutMs,
      signals: [this.#connection.closed, signal, returned].filter((each) => each !== undefined),
      onRetrying: this.#onRetrying,
    };
  }
}

/** Whether a store has the requested settings. */
function hasSettings(store: Store, wanted: WireStore): boolean {
  return (
    store.firstNumber === (wanted.firstNumber ?? DEFAULT_FIRST_NUMBER) &&
    store.prefix === wanted.prefix &&
    store.suffix === wanted.suffix &&
    store.minDigits === wanted.minDigits
  );
}
