import type { Allocation } from '../../core/allocation.ts';
import { displayNumber, INT64_MAX } from '../../core/allocation.ts';
import type { Allocated } from '../../core/calls/caller.ts';
import type {
  AllocateOrdersResponse,
  Allocation as AllocationMessage,
  Store as StoreMessage,
  VerifyLedgerResponse,
  WatchServerResponse,
} from '../../wire/gen/orders/v1/orders.ts';
import { FINDING_KINDS, SERVER_STATES, toWireTime } from '../../wire/values.ts';
import type { Store } from '../../core/store.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';
import type { ServerFigures } from '../figures/server-watch.ts';

const MAX_FINDING_CHARACTERS = 1000;

export function toAllocationMessage(allocation: Allocation): AllocationMessage {
  return {
    orderId: allocation.orderId,
    storeId: allocation.storeId,
    orderNumber: allocation.orderNumber,
    count: allocation.count,
    displayNumber: displayNumber(allocation),
    prefix: allocation.prefix,
    suffix: allocation.suffix,
    minDigits: allocation.minDigits,
    requestId: allocation.requestId,
    createTime: toWireTime(allocation.createTimeMs),
    caller: allocation.caller,
  };
}

/** The answer to one request, of AllocateOrder and of AllocateOrders. */
export function toResponse({ allocation, replayed }: Allocated): AllocateOrdersResponse {
  return { allocation: toAllocationMessage(allocation), replayed };
}

export function toStoreMessage(store: Store): StoreMessage {
  return {
    storeId: store.storeId,
    firstNumber: store.firstNumber,
    nextNumber: store.lastNumber === INT64_MAX ? 0n : store.lastNumber + 1n,
    prefix: store.prefix,
    suffix: store.suffix,
    minDigits: store.minDigits,
    createTime: toWireTime(store.createTimeMs),
  };
}

export function toServerMessage({ state, startTimeMs, ...figures }: ServerFigures): WatchServerResponse {
  return { ...figures, state: SERVER_STATES[state], startTime: toWireTime(startTimeMs) };
}

export function toVerifyMessage(event: VerifyEvent): VerifyLedgerResponse {
  switch (event.kind) {
    case 'progress': {
      const { rowsRead, orderId, endOrderId } = event;
      return { event: { $case: 'progress', value: { rowsRead, orderId, endOrderId } } };
    }
    case 'sequence': {
      const { storeId, first, last, count } = event;
      return { event: { $case: 'sequence', value: { storeId, first, last, count } } };
    }
    case 'declaredLoss': {
      const { storeId, first, last } = event;
      return { event: { $case: 'declaredLoss', value: { storeId, first, last } } };
    }
    case 'verdict': {
      const { asOfOrderId, rows, sequences, findings, ok } = event;
      return { event: { $case: 'verdict', value: { asOfOrderId, rows, sequences, findings, ok } } };
    }
    case 'finding': {
      const { findingKind, storeId, first, last } = event;
      const message = event.message.slice(0, MAX_FINDING_CHARACTERS);
      return {
        event: { $case: 'finding', value: { kind: FINDING_KINDS[findingKind], storeId, first, last, message } },
      };
    }
  }
}
