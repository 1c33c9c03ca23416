import type { Socket } from 'node:net';
import type { AllocationRequest } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import type { Allocated, Caller } from '../../core/calls/caller.ts';
import type { OrderError } from '../../core/errors.ts';
import type { EndedBatch } from '../../core/observers.ts';
import { outcomeUnknown } from '../../core/refusals.ts';
import type { WaitingCall, WaitLimit } from './wait-limit.ts';
import { ConnectionSignal } from './wait-limit.ts';

/** What all orders of an endpoint share. */
export interface OrderContext {
  readonly allocator: Allocator;
  readonly limit: WaitLimit;
  readonly answered: AnsweredOrders;
}

/** One order that waits for its number. It has one answer. */
export class WaitingOrder implements Caller, WaitingCall {
  readonly origin: string;
  readonly signal: ConnectionSignal;
  readonly #asked: AllocationRequest;
  readonly #context: OrderContext;
  #answer: Answer | undefined;
  #batch: EndedBatch | undefined;
  /**
   * Dropped once called: V8 keeps what has left a Map or an array reachable for some collections, and this function would
   * keep the whole request.
   */
  #onAnswer: ((answer: Answer, batch: EndedBatch | undefined) => void) | undefined;

  /** `onAnswer` is called once, with the batch that had the order, if one had, and never throws. */
  constructor(
    asked: AllocationRequest,
    origin: string,
    socket: Socket,
    context: OrderContext,
    onAnswer: (answer: Answer, batch: EndedBatch | undefined) => void,
  ) {
    this.origin = origin;
    this.signal = new ConnectionSignal(socket);
    this.#asked = asked;
    this.#context = context;
    this.#onAnswer = onAnswer;
  }

  /** Begins to wait. Throws an OrderError, and calls nothing, if the order is refused at once. */
  enter(): void {
    const { allocator, limit } = this.#context;
    allocator.enqueue(this.#asked, this);
    limit.enter(this);
  }

  resolve(answer: Allocated, batch: EndedBatch): void {
    this.#end(answer, batch);
  }

  reject(error: OrderError, batch?: EndedBatch): void {
    this.#end(this.#context.limit.explain(error, this.signal), batch);
  }

  giveUp(): void {
    this.#end(outcomeUnknown(this.#asked));
  }

  /** Called once, by {@link AnsweredOrders}. */
  send(): void {
    this.#onAnswer!(this.#answer!, this.#batch);
    this.#onAnswer = undefined;
  }

  /** The first answer counts. */
  #end(answer: Answer, batch?: EndedBatch): void {
    if (this.#answer) return;
    this.#answer = answer;
    this.#batch = batch;
    this.#context.limit.leave(this);
    this.#context.answered.add(this);
  }
}

/** Sends the answers to the orders of a batch together, after the allocator has formed the next batch. */
export class AnsweredOrders {
  #orders: WaitingOrder[] = [];

  add(order: WaitingOrder): void {
    // The microtasks that run first form the next batch, which would otherwise wait until these answers are sent.
    if (this.#orders.push(order) === 1) process.nextTick(() => this.#sendAll());
  }

  #sendAll(): void {
    const orders = this.#orders;
    this.#orders = [];
    for (const order of orders) order.send();
  }
}
