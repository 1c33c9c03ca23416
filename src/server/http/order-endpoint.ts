import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Allocation } from '../../core/allocation.ts';
import { checkRequestId, displayNumber, newRequestId } from '../../core/allocation.ts';
import type { Allocator } from '../../core/allocator.ts';
import type { Allocated } from '../../core/calls/caller.ts';
import { OrderError } from '../../core/errors.ts';
import type { DoorContext } from '../calls.ts';
import { CallDoor, HTTP } from '../calls.ts';
import { requireStore } from '../security/principal.ts';
import { admission, enteredBy } from './admission.ts';
import { refuse, sendJson } from './answer.ts';
import { MALFORMED, storeIdOf, whyMalformed } from './malformed.ts';
import { allocateInTime } from './timely-call.ts';

/** What the endpoint works on. */
export interface OrderEndpointOptions extends DoorContext {
  readonly allocator: Allocator;
  /** How long a request may wait for its answer. */
  readonly requestTimeoutMs: number;
  /** Whether the allocator refuses calls without a request_id, so that none may be created for them here. */
  readonly requireRequestId: boolean;
}

const METHOD = { name: 'generateOrderNumber', verb: 'allocate', writes: true } as const;

/**
 * The original sample's endpoint: one pair per call, in the sample's own words. The header Idempotency-Key is
 * the request_id.
 */
export class OrderEndpoint {
  readonly #options: OrderEndpointOptions;
  readonly admit: ReturnType<typeof admission>;

  constructor(options: OrderEndpointOptions) {
    this.#options = options;
    this.admit = admission(new CallDoor(HTTP, METHOD, options));
  }

  /** Answers an admitted request whose body is text. Never rejects because of the allocator. */
  readonly handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const call = enteredBy(request);
    let storeId: number | undefined;
    let requestId = '';
    let answer: Allocated;
    try {
      storeId = storeIdOf(request.body);
      if (storeId === undefined) {
        refuse(reply, 'STORE_ID_INVALID', MALFORMED, whyMalformed(request.body));
        call.refused(new OrderError('STORE_ID_INVALID', MALFORMED));
        return reply;
      }
      requestId = this.#requestIdOf(request);
      // Set before the call, so that every answer has the key that the caller can retry with.
      if (requestId !== '') reply.header('idempotency-key', requestId);
      requireStore(call.principal, BigInt(storeId));
      const { principal, origin } = call;
      const asked = { storeId: BigInt(storeId), count: 1, requestId, caller: principal.name, origin };
      answer = await allocateInTime(this.#options.allocator, asked, request.raw.socket, this.#options.requestTimeoutMs);
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      refuse(reply, error.reason, error.message);
      call.refused(error, fieldsOf(storeId, requestId));
      return reply;
    }
    const { allocation, replayed } = answer;
    if (replayed) reply.header('idempotency-replayed', 'true');
    reply.header('display-number', displayNumber(allocation));
    sendJson(reply, 200, toJson(allocation));
    call.answered(() => ({ ...fieldsOf(storeId, requestId), order_id: String(allocation.orderId) }));
    return reply;
  };

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

/** Written by hand: JSON.stringify knows no bigint, and a number would be rounded above 2^53. */
function toJson({ orderId, orderNumber, storeId }: Allocation): string {
  return `{"OrderID":${orderId},"OrderNumber":${orderNumber},"StoreID":${storeId}}`;
}

function fieldsOf(storeId: number | undefined, requestId: string): Record<string, string> {
  return {
    ...(storeId !== undefined && { store_id: String(storeId) }),
    ...(requestId !== '' && { request_id: requestId }),
  };
}
