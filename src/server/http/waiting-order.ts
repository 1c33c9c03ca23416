import type { Socket } from 'node:net';
import type { AllocationRequest } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import type { Allocated, Caller } from '../../core/calls/caller.ts';
import type { OrderError } from '../../core/errors.ts';
import { outcomeUnknown } from '../../core/refusals.ts';
import type { WaitingCall, WaitLimit } from './wait-limit.ts';
import { ConnectionSignal } from './wait-limit.ts';

/** What an endpoint has for all of its orders. */
export interface OrderRoom {
  readonly allocator: Allocator;
  readonly limit: WaitLimit;
  readonly answered: AnsweredOrders;
}

/** One order that waits for its number. It tells its answer once. */
export class WaitingOrder implements Caller, WaitingCall {
  readonly origin: string;
  readonly signal: ConnectionSignal;
  readonly #asked: AllocationRequest;
  readonly #room: OrderRoom;
  #answer: Answer | undefined;
  /**
   * Forgotten once told. V8 keeps what has left a Map or an array reachable for some collections; by this it would keep
   * the whole request.
   */
  #tell: ((answer: Answer) => void) | undefined;

  /** `tell` never throws. */
  constructor(
    asked: AllocationRequest,
    origin: string,
    socket: Socket,
    room: OrderRoom,
    tell: (answer: Answer) => void,
  ) {
    this.origin = origin;
    this.signal = new ConnectionSignal(socket);
    this.#asked = asked;
    this.#room = room;
    this.#tell = tell;
  }

  /** Begins to wait. Throws an OrderError, and tells nothing, if the order is refused at once. */
  enter(): void {
    const { allocator, limit } = this.#room;
    allocator.enqueue(this.#asked, this);
    limit.enter(this);
  }

  resolve(answer: Allocated): void {
    this.#end(answer);
  }

  reject(error: OrderError): void {
    this.#end(this.#room.limit.explain(error, this.signal));
  }

  giveUp(): void {
    this.#end(outcomeUnknown(this.#asked));
  }

  /** Called once, by {@link AnsweredOrders}. */
  tell(): void {
    this.#tell!(this.#answer!);
    this.#tell = undefined;
  }

  /** The first answer counts. */
  #end(answer: Answer): void {
    if (this.#answer) return;
    this.#answer = answer;
    this.#room.limit.leave(this);
    this.#room.answered.add(this);
  }
}

/** Orders of a batch that have their answers. They are told together, after the allocator has formed the next batch. */
export class AnsweredOrders {
  #orders: WaitingOrder[] = [];

  add(order: WaitingOrder): void {
    // The next batch is formed in the microtasks before; it would wait as long as it takes to send these answers.
    if (this.#orders.push(order) === 1) process.nextTick(() => this.#tellAll());
  }

  #tellAll(): void {
    const orders = this.#orders;
    this.#orders = [];
    for (const order of orders) order.tell();
  }
}
