import { status } from '@grpc/grpc-js';
import type { AllocateOrdersResponse } from '../../wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../wire/gen/orders/v1/orders.ts';
import type { Connection } from '../connection/connection.ts';
import { AttemptFailed, OUT_OF_TIME } from '../failure.ts';
import { MAX_TIMER_MS } from '../stop.ts';

/** What a caller asks for; without a count, one number by AllocateOrder. */
export interface OrderRequest {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number | undefined;
}

/** What the server answers, by either method. */
export type OrderAnswer = Pick<AllocateOrdersResponse, 'allocation' | 'replayed'>;

/** Who has a request until it is answered: the queue, then a batch. */
export interface Holder {
  /** Lets go of a request whose caller has left. Returns whether it was sent. */
  release(request: WaitingRequest): boolean;
}

/** The tags and lengths of one request in a batch, and its store_id and count, in bytes at most. */
const FRAME_BYTES = 40;
const BEHIND_OTHERS = {
  code: status.DEADLINE_EXCEEDED,
  details: 'not sent in time: calls of this client that came first have no answer yet',
};

/**
 * One attempt of one caller. It ends with its own answer, or earlier, when the caller's time is up or its signal is
 * aborted.
 */
export class WaitingRequest {
  readonly wanted: OrderRequest;
  /** Rejects with {@link AttemptFailed}. */
  readonly answer: Promise<OrderAnswer>;
  /** When the caller's time is up, by performance.now(). */
  readonly endMs: number;
  /** What it adds to the message of a batch, at most. */
  readonly bytes: number;
  readonly #connection: Connection;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = () => this.#leave(new Error('cancelled'));
  #holder: Holder;
  #resolve!: (answer: OrderAnswer | Promise<OrderAnswer>) => void;
  #reject!: (error: unknown) => void;
  #isOver = false;

  constructor(
    wanted: OrderRequest,
    msLeft: number,
    signal: AbortSignal | undefined,
    connection: Connection,
    holder: Holder,
  ) {
    this.wanted = wanted;
    this.endMs = performance.now() + msLeft;
    this.bytes = FRAME_BYTES + Buffer.byteLength(wanted.requestId);
    this.#signal = signal;
    this.#connection = connection;
    this.#holder = holder;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.#leave(OUT_OF_TIME), Math.max(0, Math.min(msLeft, MAX_TIMER_MS)));
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Whether it is answered, or its caller has left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Called when it becomes part of a batch that ends by itself at `endMs`. */
  joins(batch: Holder, endMs: number): void {
    this.#holder = batch;
    if (endMs <= this.endMs) clearTimeout(this.#timer);
  }

  /** Sends it as a call of its own. Resolves when that has ended, however it did. */
  async sendAlone(attemptTimeoutMs: number): Promise<void> {
    if (this.#isOver) return;
    this.#forget();
    const { storeId, requestId, count } = this.wanted;
    const timeoutMs = Math.min(attemptTimeoutMs, this.endMs - performance.now());
    const signals = this.#signal ? [this.#connection.closed, this.#signal] : [this.#connection.closed];
    const { answer }: { readonly answer: Promise<OrderAnswer> } =
      count === undefined
        ? this.#connection.call(service.allocateOrder, { storeId, requestId }, timeoutMs, signals)
        : this.#connection.call(service.allocateOrders, { storeId, requestId, count }, timeoutMs, signals);
    this.#resolve(answer);
    await answer.catch(() => {});
  }

  succeed(answer: OrderAnswer): void {
    this.#forget();
    this.#resolve(answer);
  }

  fail(error: AttemptFailed): void {
    this.#forget();
    this.#reject(error);
  }

  #leave(why: unknown): void {
    if (this.#isOver) return;
    const wasSent = this.#holder.release(this);
    const isBehindOthers = why === OUT_OF_TIME && !wasSent && this.#connection.isConnected;
    this.fail(isBehindOthers ? new AttemptFailed(BEHIND_OTHERS, false, false) : new AttemptFailed(why, wasSent));
  }

  #forget(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
