import type { Allocator } from '../../core/allocator.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import { BatchCall } from '../../core/calls/batch-call.ts';
import { BatchLimit } from '../../core/calls/batch-limit.ts';
import { OrderError } from '../../core/errors.ts';
import type { Status } from '../../wire/gen/google/rpc/status.ts';
import type {
  AllocateOrdersRequest,
  BatchAllocateOrdersRequest,
  BatchAllocateOrdersResponse,
  BatchAllocateOrdersResult,
} from '../../wire/gen/orders/v1/orders.ts';
import { BATCHES } from '../limits.ts';
import { requireStore } from '../security/principal.ts';
import type { ServedMethod } from './served-method.ts';
import { toResponse } from './messages.ts';
import { refusalFor, toRpcStatus } from './rpc-status.ts';
import { unary } from './unary.ts';

/** The response, with what it was made of. */
interface AnsweredBatch extends BatchAllocateOrdersResponse {
  readonly answers: readonly Answer[];
}

/** BatchAllocateOrders: independent requests in one call. */
export function batchMethod(allocator: Allocator): ServedMethod {
  const limit = new BatchLimit(BATCHES);
  return unary<BatchAllocateOrdersRequest, AnsweredBatch>({
    name: 'BatchAllocateOrders',
    verb: 'allocate',
    writes: true,
    isBatch: true,
    async handle(message, signal, call) {
      const { requests } = message;
      const { principal, origin } = call;
      const asked = requests.map(({ storeId, count, requestId }) => ({
        storeId,
        count,
        requestId,
        caller: principal.name,
      }));
      const batch = new BatchCall(asked, signal, origin);
      const settled = await limit.run(batch, () =>
        batch.allocate(allocator, ({ storeId }) => requireStore(principal, storeId)),
      );
      call.numberedIn(batch.lastBatch);
      const answers = settled.map((answer) => (answer instanceof OrderError ? call.refusalOf(answer) : answer));
      const statuses = new RpcStatuses();
      const results = answers.map((answer, i) => toResult(answer, requests[i]!, statuses));
      // Node.js keeps the stream of an answered call, and with it the message, until a full collection. A refusal needs it.
      message.requests = [];
      return { results, answers };
    },
    storeOf: 'checked by the method',
    record: (call, { answers }) => call.answeredEach(answers),
    describe: ({ requests }) => ({ requests: String(requests.length) }),
    mayRetry: ({ requests }) => requests.every(({ requestId }) => requestId !== ''),
  });
}

function toResult(
  answer: Answer,
  { requestId }: AllocateOrdersRequest,
  statuses: RpcStatuses,
): BatchAllocateOrdersResult {
  if (!(answer instanceof OrderError)) return { result: { $case: 'response', value: toResponse(answer) } };
  return { result: { $case: 'status', value: statuses.of(answer, requestId !== '') } };
}

/** The statuses of one answer: what a full queue refuses is refused with one error. */
class RpcStatuses {
  readonly #known = { again: new Map<OrderError, Status>(), once: new Map<OrderError, Status>() };

  of(error: OrderError, mayRetry: boolean): Status {
    const known = mayRetry ? this.#known.again : this.#known.once;
    let status = known.get(error);
    if (!status) known.set(error, (status = toRpcStatus(refusalFor(error, mayRetry))));
    return status;
  }
}
