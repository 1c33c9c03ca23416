import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Allocation } from '../../core/allocation.ts';
import { checkRequestId, displayNumber, newRequestId } from '../../core/allocation.ts';
import type { Allocated, Allocator } from '../../core/allocator.ts';
import { logAnswer, logRefusal } from '../calls.ts';
import { OrderError } from '../../core/errors.ts';
import { toOrderError } from '../../core/refusals.ts';
import type { LedgerState } from '../../core/ledger-state.ts';
import type { Logger } from '../log/log.ts';
import type { CallObserver } from '../../core/observers.ts';
import { refuse, sendJson } from './answer.ts';
import { MALFORMED, storeIdOf, whyMalformed } from './malformed.ts';
import { peerOf } from './peer.ts';
import { allocateInTime } from './timely-call.ts';

/** What the endpoint works on. */
export interface OrderEndpointOptions {
  readonly allocator: Allocator;
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** What refusals are explained with, if they are. */
  readonly state?: LedgerState;
  /** How long a request may wait for its answer. */
  readonly requestTimeoutMs: number;
  /** Whether the allocator refuses calls without a request_id, so that none may be made for them here. */
  readonly requireRequestId: boolean;
}

/** The endpoint's name in metrics and log. */
const METHOD = 'generateOrderNumber';

/**
 * The original sample's endpoint: one pair a call, in the sample's own words. The header Idempotency-Key is
 * the request_id. One log line for each call that failed or was slow.
 */
export class OrderEndpoint {
  readonly #options: OrderEndpointOptions;

  constructor(options: OrderEndpointOptions) {
    this.#options = options;
  }

  /** Answers a request whose body is text. Never rejects for what the allocator does. */
  readonly handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const started = performance.now();
    const storeId = storeIdOf(request.body);
    if (storeId === undefined) {
      refuse(reply, 'STORE_ID_INVALID', MALFORMED, whyMalformed(request.body));
      this.#refused(request, new OrderError('STORE_ID_INVALID', MALFORMED), started, {});
      return reply;
    }
    let requestId = '';
    let answer: Allocated;
    try {
      requestId = this.#requestIdOf(request);
      // Set before the call, so that every answer to it has the key: with it the caller can ask again.
      if (requestId !== '') reply.header('idempotency-key', requestId);
      const call = { storeId: BigInt(storeId), count: 1, requestId };
      answer = await allocateInTime(this.#options.allocator, call, request.raw.socket, this.#options.requestTimeoutMs);
    } catch (thrown) {
      const unexplained = toOrderError(thrown, true);
      const error = this.#options.state?.explain(unexplained) ?? unexplained;
      refuse(reply, error.reason, error.message);
      this.#refused(request, error, started, fieldsOf(storeId, requestId));
      return reply;
    }
    if (answer.replayed) reply.header('idempotency-replayed', 'true');
    reply.header('display-number', displayNumber(answer.allocation));
    sendJson(reply, 200, toJson(answer.allocation));
    const ms = performance.now() - started;
    this.#options.observer.ended('http', METHOD, 'OK', ms);
    logAnswer(this.#options.logger, ms, () => ({
      method: METHOD,
      fields: { ...fieldsOf(storeId, requestId), order_id: String(answer.allocation.orderId) },
      peer: peerOf(request),
    }));
    return reply;
  };

  /** The caller's key, or one made here; empty where the caller sent none and has to be refused for it. */
  #requestIdOf({ headers }: FastifyRequest): string {
    const key = headers['idempotency-key'];
    if (key === undefined) return this.#options.requireRequestId ? '' : newRequestId();
    // Node joins a header that was sent several times with ', ': no key has a space, so that is refused.
    const requestId = String(key);
    checkRequestId(requestId);
    return requestId;
  }

  #refused(request: FastifyRequest, error: OrderError, started: number, fields: Record<string, string>): void {
    const { logger, observer } = this.#options;
    const ms = performance.now() - started;
    observer.ended('http', METHOD, error.reason, ms);
    logRefusal(logger, { method: METHOD, fields, peer: peerOf(request), ms }, error);
  }
}

/** By hand: JSON.stringify knows no bigint, and a number would be rounded above 2^53. */
function toJson({ orderId, orderNumber, storeId }: Allocation): string {
  return `{"OrderID":${orderId},"OrderNumber":${orderNumber},"StoreID":${storeId}}`;
}

function fieldsOf(storeId: number, requestId: string): Record<string, string> {
  return { store_id: String(storeId), ...(requestId === '' ? {} : { request_id: requestId }) };
}
