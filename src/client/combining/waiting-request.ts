import { status } from '@grpc/grpc-js';
import type { AllocateOrdersRequest, AllocateOrdersResponse } from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import type { Allocated } from '../api.ts';
import type { Connection } from '../connection/connection.ts';
import { AttemptFailed, OUT_OF_TIME } from '../failure.ts';
import { fromAllocated } from '../messages.ts';
import type { Retries } from '../retry.ts';

/** The answer of AllocateOrder and of AllocateOrders. */
export type OrderAnswer = Pick<AllocateOrdersResponse, 'allocation' | 'replayed'>;

/** The holder of a request until it is answered: the queue, then a batch. */
export interface Holder {
  /** Drops a request whose caller has left. Returns whether it was sent; if not, it never will be. */
  release(request: WaitingRequest): boolean;
}

/** Sends requests, and is told when they end. */
export interface Sender {
  readonly connection: Connection;
  /** The time limit of one attempt, in milliseconds. */
  readonly attemptTimeoutMs: number;
  /** Queues a request again, after an attempt that failed. */
  sendAgain(request: WaitingRequest): void;
  retriesOf(request: WaitingRequest): Retries;
  /** Called once for each request, when its caller has its answer. */
  ended(): void;
}

const BEHIND_OTHERS = {
  code: status.DEADLINE_EXCEEDED,
  details: 'not sent in time: calls of this client that came first have no answer yet',
};

/**
 * One allocation through all of its attempts, which is also its message in a batch. An attempt ends with its own answer,
 * or earlier, when the caller's time is up or its signal is aborted. Nothing else lives as long as an allocation, because
 * the garbage collector copies whatever thousands of them hold.
 */
export class WaitingRequest implements AllocateOrdersRequest {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number;
  readonly timeoutMs: number;
  /** When the caller's time is up, by performance.now(). */
  readonly endMs: number;
  readonly signal: AbortSignal | undefined;
  readonly #sender: Sender;
  readonly #resolve: (allocated: Allocated) => void;
  readonly #reject: (error: unknown) => void;
  #retries: Retries | undefined;
  /** Undefined while it is sent alone, between two attempts, and once it is answered. */
  #holder: Holder | undefined;

  constructor(
    { storeId, requestId, count }: AllocateOrdersRequest,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    sender: Sender,
    resolve: (allocated: Allocated) => void,
    reject: (error: unknown) => void,
  ) {
    this.storeId = storeId;
    this.requestId = requestId;
    this.count = count;
    this.timeoutMs = timeoutMs;
    this.endMs = performance.now() + timeoutMs;
    this.signal = signal;
    this.#sender = sender;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Called before the first attempt if it may take long. Throws the caller's error if its signal is aborted. */
  expectRetries(): void {
    this.#retries = this.#sender.retriesOf(this);
    this.#retries.begin();
  }

  isHeldBy(holder: Holder): boolean {
    return this.#holder === holder;
  }

  enterQueue(queue: Holder): void {
    this.#holder = queue;
    this.signal?.addEventListener('abort', this, { once: true });
  }

  enterBatch(batch: Holder): void {
    this.#holder = batch;
  }

  /** Sends it as a call of its own, unless its caller has left. Resolves when the call has ended, however it ends. */
  async sendAlone(): Promise<void> {
    if (this.#holder === undefined) return;
    this.#forget();
    const { connection, attemptTimeoutMs } = this.#sender;
    const timeoutMs = Math.min(attemptTimeoutMs, this.endMs - performance.now());
    const signals = this.signal ? [connection.closed, this.signal] : [connection.closed];
    const { answer }: { readonly answer: Promise<OrderAnswer> } =
      this.count === 1
        ? connection.call(service.allocateOrder, this, timeoutMs, signals)
        : connection.call(service.allocateOrders, this, timeoutMs, signals);
    try {
      this.succeed(await answer);
    } catch (error) {
      this.fail(error);
    }
  }

  succeed(answer: OrderAnswer): void {
    let allocated: Allocated;
    try {
      allocated = fromAllocated(answer);
    } catch (error) {
      // An answer that cannot be read counts as none.
      return this.fail(error);
    }
    this.#forget();
    this.#end();
    this.#resolve(allocated);
  }

  /** Ends an attempt. */
  fail(error: unknown): void {
    this.#forget();
    void this.#tryAgain(error);
  }

  /** Sends it with another call, because its own was cancelled before it was sent. */
  sendAgain(): void {
    this.#forget();
    this.#sender.sendAgain(this);
  }

  /** Ends an attempt because the caller's time is up or its signal is aborted. */
  leave(why: unknown): void {
    if (this.#holder === undefined) return;
    const wasSent = this.#holder.release(this);
    const isBehindOthers = why === OUT_OF_TIME && !wasSent && this.#sender.connection.isConnected;
    this.fail(isBehindOthers ? new AttemptFailed(BEHIND_OTHERS, false, false) : new AttemptFailed(why, wasSent));
  }

  /** Called when its signal is aborted. */
  handleEvent(): void {
    this.leave(new Error('cancelled'));
  }

  async #tryAgain(error: unknown): Promise<void> {
    this.#retries ??= this.#sender.retriesOf(this);
    try {
      await this.#retries.afterFailure(error);
    } catch (final) {
      this.#end();
      return this.#reject(final);
    }
    this.#sender.sendAgain(this);
  }

  #forget(): void {
    this.#holder = undefined;
    this.signal?.removeEventListener('abort', this);
  }

  #end(): void {
    this.#retries?.end();
    this.#sender.ended();
  }
}
