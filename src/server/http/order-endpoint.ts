import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Allocation } from '../../core/allocation.ts';
import { checkRequestId, displayNumber, newRequestId } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import type { Allocated } from '../../core/calls/caller.ts';
import { OrderError } from '../../core/errors.ts';
import type { Call, DoorContext } from '../calls.ts';
import { CallDoor, HTTP } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import { admission, enteredBy } from './admission.ts';
import { refuse, sendJson } from './answer.ts';
import { MALFORMED, storeIdOf, whyMalformed } from './malformed.ts';
import { WaitLimit } from './wait-limit.ts';
import type { OrderContext } from './waiting-order.ts';
import { AnsweredOrders, WaitingOrder } from './waiting-order.ts';

/** What the endpoint works on. */
export interface OrderEndpointOptions extends DoorContext {
  readonly allocator: Allocator;
  /** How long a request may wait for its answer. */
  readonly requestTimeoutMs: number;
  /** Whether the allocator refuses calls without a request_id, so that none may be created for them here. */
  readonly requireRequestId: boolean;
}

/** Where it is served. */
export const ORDER_PATH = '/api/generateOrderNumber';

const METHOD = { name: 'generateOrderNumber', verb: 'allocate', writes: true } as const;

/**
 * The original sample's endpoint: one pair per call, in the sample's own words. The header Idempotency-Key is
 * the request_id.
 */
export class OrderEndpoint {
  readonly #options: OrderEndpointOptions;
  readonly #context: OrderContext;
  readonly admit: ReturnType<typeof admission>;

  constructor(options: OrderEndpointOptions) {
    this.#options = options;
    const { allocator, requestTimeoutMs } = options;
    this.#context = { allocator, limit: new WaitLimit(requestTimeoutMs), answered: new AnsweredOrders() };
    this.admit = admission(new CallDoor(HTTP, METHOD, options, ORDER_PATH));
  }

  /** Answers an admitted request whose body is text: at once if it is refused, else when its number is durable. */
  readonly handle = (request: FastifyRequest, reply: FastifyReply): void => {
    const call = enteredBy(request);
    const storeId = storeIdOf(request.body);
    if (storeId === undefined) {
      const { reason, detail } = whyMalformed(request.body);
      refuse(reply, reason, MALFORMED, detail);
      call.refused(new OrderError(reason, MALFORMED));
      return;
    }
    const posted: Posted = { call, reply, storeId: BigInt(storeId), requestId: '' };
    try {
      posted.requestId = this.#requestIdOf(request);
      // Set before the call, so that every answer has the key that the caller can retry with.
      if (posted.requestId !== '') reply.header('idempotency-key', posted.requestId);
      this.#wait(posted, request.raw.socket);
    } catch (thrown) {
      refuseOrder(posted, thrown);
    }
  };

  #wait(posted: Posted, socket: Socket): void {
    const { call, storeId, requestId } = posted;
    const { principal, origin } = call;
    requireStore(principal, storeId);
    const asked = { storeId, count: 1, requestId, caller: principal.name };
    new WaitingOrder(asked, origin, socket, this.#context, (answer, batch) => {
      call.numberedIn(batch);
      sendAnswer(posted, answer);
    }).enter();
  }

  /** The caller's key, or one created here; empty if the caller sent none and has to be refused. */
  #requestIdOf({ headers }: FastifyRequest): string {
    const key = headers['idempotency-key'];
    if (key === undefined) return this.#options.requireRequestId ? '' : newRequestId();
    // Node joins a header that was sent several times with ', ': no key has a space, so that is refused.
    const requestId = String(key);
    checkRequestId(requestId);
    return requestId;
  }
}

/** An order whose body is read. */
interface Posted {
  readonly call: Call<IncomingMessage>;
  readonly reply: FastifyReply;
  readonly storeId: bigint;
  /** Empty if the caller sent no valid key, and none was created. */
  requestId: string;
}

/** Never throws, so that each order of a batch gets its answer. */
function sendAnswer(posted: Posted, answer: Answer): void {
  try {
    if (answer instanceof OrderError) refuseOrder(posted, answer);
    else answerOrder(posted, answer);
  } catch (error) {
    posted.call.failed(error, 'an order could not be answered');
    // Without an answer the caller has to retry with its key, which is right in any case.
    posted.reply.raw.destroy();
  }
}

function answerOrder(posted: Posted, { allocation, replayed }: Allocated): void {
  const { call, reply } = posted;
  if (replayed) reply.header('idempotency-replayed', 'true');
  reply.header('display-number', displayNumber(allocation));
  sendJson(reply, 200, toJson(allocation));
  call.answered(() => ({ ...fieldsOf(posted), order_id: String(allocation.orderId) }));
}

function refuseOrder(posted: Posted, thrown: unknown): void {
  const { call, reply } = posted;
  const error = call.refusalOf(thrown);
  refuse(reply, error.reason, error.message);
  call.refused(error, fieldsOf(posted));
}

/** Written by hand: JSON.stringify knows no bigint, and a number would be rounded above 2^53. */
function toJson({ orderId, orderNumber, storeId }: Allocation): string {
  return `{"OrderID":${orderId},"OrderNumber":${orderNumber},"StoreID":${storeId}}`;
}

function fieldsOf({ storeId, requestId }: Posted): Record<string, string> {
  return { store_id: String(storeId), ...(requestId !== '' && { request_id: requestId }) };
}
