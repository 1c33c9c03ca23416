import type { Allocator } from '../../core/allocator.ts';
import type { Answer } from '../../core/calls/batch-call.ts';
import { BatchCall } from '../../core/calls/batch-call.ts';
import { OrderError } from '../../core/errors.ts';
import type {
  AllocateOrdersRequest,
  BatchAllocateOrdersRequest,
  BatchAllocateOrdersResponse,
  BatchAllocateOrdersResult,
} from '../../wire/gen/orders/v1/orders.ts';
import { requireStore } from '../calls.ts';
import type { EnteredCall, GuardedMethod } from './entrance.ts';
import { toResponse } from './messages.ts';
import { toRpcStatus } from './status.ts';
import { unary } from './unary.ts';

/** BatchAllocateOrders: independent requests in one call. */
export function batchMethod(allocator: Allocator): GuardedMethod {
  return unary<BatchAllocateOrdersRequest, BatchAllocateOrdersResponse>({
    name: 'BatchAllocateOrders',
    verb: 'allocate',
    writes: true,
    isBatch: true,
    async handle({ requests }, signal, call) {
      const { principal, origin } = call;
      const asked = requests.map(({ storeId, count, requestId }) => ({
        storeId,
        count,
        requestId,
        caller: principal.name,
      }));
      const answers = await new BatchCall(asked, signal, origin).allocate(allocator, ({ storeId }) =>
        requireStore(principal, storeId),
      );
      return { results: answers.map((answer, i) => toResult(answer, requests[i]!, call)) };
    },
    describe: ({ requests }) => ({ requests: String(requests.length) }),
    mayRetry: ({ requests }) => requests.every(({ requestId }) => requestId !== ''),
  });
}

function toResult(answer: Answer, { requestId }: AllocateOrdersRequest, call: EnteredCall): BatchAllocateOrdersResult {
  if (!(answer instanceof OrderError)) return { result: { $case: 'response', value: toResponse(answer) } };
  return { result: { $case: 'status', value: toRpcStatus(call.refusalOf(answer), requestId !== '') } };
}
