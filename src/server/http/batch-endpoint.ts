import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AllocationRequest } from '../../core/allocation.ts';
import { checkRequestId, newRequestId } from '../../core/allocation.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import { BatchCall } from '../../core/calls/batch-call.ts';
import { BatchLimit } from '../../core/calls/batch-limit.ts';
import { OrderError } from '../../core/errors.ts';
import type { Call } from '../calls.ts';
import { CallDoor, HTTP } from '../calls.ts';
import { BATCHES } from '../limits.ts';
import { requireStore } from '../security/principal.ts';
import { admission, enteredBy } from './admission.ts';
import { refuse, sendJson } from './answer.ts';
import type { Malformed, PostedOrder } from './malformed.ts';
import { MALFORMED, postedOrders } from './malformed.ts';
import type { OrderEndpointOptions } from './order-endpoint.ts';
import { refusalBody, statusOf } from './status.ts';
import { ConnectionSignal, WaitLimit } from './wait-limit.ts';

/** Where it is served. */
export const BATCH_PATH = '/api/generateOrderNumbers';

const METHOD = { name: 'generateOrderNumbers', verb: 'allocate', writes: true, isBatch: true } as const;
const HEADER = 'the header Idempotency-Key is not allowed for a batch; send a request_id in each order';

/** Several independent orders in one request, as a JSON array; the answer is an array in the same order. */
export class BatchEndpoint {
  readonly #options: OrderEndpointOptions;
  readonly #waitLimit: WaitLimit;
  readonly #batchLimit = new BatchLimit(BATCHES);
  readonly admit: ReturnType<typeof admission>;

  constructor(options: OrderEndpointOptions) {
    this.#options = options;
    this.#waitLimit = new WaitLimit(options.requestTimeoutMs);
    this.admit = admission(new CallDoor(HTTP, METHOD, options, BATCH_PATH));
  }

  /** Answers an admitted request whose body is text. Never rejects because of the allocator. */
  readonly handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const call = enteredBy(request);
    let orders: readonly KeyedOrder[];
    let answers: readonly Answer[];
    try {
      if (request.headers['idempotency-key'] !== undefined) throw new OrderError('REQUEST_ID_INVALID', HEADER);
      orders = postedOrders(request.body).map((order) => this.#withKey(order, call.principal.name));
      answers = await this.#allocate(orders, call, request.raw);
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      refuse(reply, error.reason, error.message);
      call.refused(error);
      return reply;
    }
    const explained = answers.map((answer) => (answer instanceof OrderError ? call.refusalOf(answer) : answer));
    sendJson(reply, 200, `[${explained.map((answer, i) => toJson(answer, orders[i]!)).join(',')}]`);
    call.answeredEach(explained);
    return reply;
  };

  async #allocate(
    orders: readonly KeyedOrder[],
    call: Call<IncomingMessage>,
    { socket }: IncomingMessage,
  ): Promise<readonly Answer[]> {
    const signal = new ConnectionSignal(socket);
    const batch = new BatchCall(orders, signal, call.origin);
    const check = ({ storeId }: AllocationRequest, i: number) => {
      const { refusal } = orders[i]!;
      if (refusal) throw refusal;
      requireStore(call.principal, storeId);
    };
    const waiting = { signal, giveUp: () => batch.giveUp() };
    this.#waitLimit.enter(waiting);
    try {
      const answers = await this.#batchLimit.run(batch, () => batch.allocate(this.#options.allocator, check));
      call.numberedIn(batch.lastBatch);
      return answers.map((answer) =>
        answer instanceof OrderError ? this.#waitLimit.explain(answer, signal, 'request_id') : answer,
      );
    } finally {
      this.#waitLimit.leave(waiting);
    }
  }

  #withKey({ storeId, count, key, why }: PostedOrder, caller: string): KeyedOrder {
    const order = { storeId: BigInt(storeId ?? 0), count, caller };
    const refusal = why && new OrderError(why.reason, MALFORMED);
    try {
      return { ...order, requestId: this.#keyFor(key), refusal, why };
    } catch (error) {
      return { ...order, requestId: '', refusal: refusal ?? (error as OrderError), why };
    }
  }

  /** Every answer names its key, so one is created here if the caller sent none and need not. */
  #keyFor(key: string | undefined): string {
    if (key === undefined) return this.#options.requireRequestId ? '' : newRequestId();
    checkRequestId(key);
    return key;
  }
}

/** An order with a valid key, or without one and perhaps refused. */
interface KeyedOrder extends AllocationRequest {
  readonly refusal: OrderError | undefined;
  /** What is wrong with it, if it is malformed. */
  readonly why: Malformed | undefined;
}

/** Numbers are written by hand: JSON.stringify knows no bigint. */
function toJson(answer: Answer, { requestId, why }: KeyedOrder): string {
  const key = requestId === '' ? '' : `,"request_id":${JSON.stringify(requestId)}`;
  if (answer instanceof OrderError) {
    const { reason, message } = answer;
    return `{"status":${statusOf(reason).code},${refusalBody(reason, message, why?.detail).slice(1, -1)}${key}}`;
  }
  const { orderId, orderNumber, storeId, count } = answer.allocation;
  return `{"OrderID":${orderId},"OrderNumber":${orderNumber},"StoreID":${storeId},"Count":${count}${key}}`;
}
