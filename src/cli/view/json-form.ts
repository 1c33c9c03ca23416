import type { Allocation, Store } from '../../client/index.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';

// The JSON mapping of the proto, every field shown. A string for an int64: a JSON number would round it.

/** What has no message in the proto, as one line; bigints become strings. */
export function jsonLine(value: object): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field));
}

/** As the message orders.v1.Allocation. */
export function allocationJson(allocation: Allocation) {
  return {
    orderId: String(allocation.orderId),
    storeId: String(allocation.storeId),
    orderNumber: String(allocation.orderNumber),
    count: allocation.count,
    displayNumber: allocation.displayNumber,
    prefix: allocation.prefix,
    suffix: allocation.suffix,
    minDigits: allocation.minDigits,
    requestId: allocation.requestId,
    createTime: allocation.createTime.toISOString(),
  };
}

/** As the message orders.v1.Store. */
export function storeJson(store: Store) {
  return {
    storeId: String(store.storeId),
    firstNumber: String(store.firstNumber),
    nextNumber: String(store.nextNumber),
    prefix: store.prefix,
    suffix: store.suffix,
    minDigits: store.minDigits,
    createTime: store.createTime.toISOString(),
  };
}

/** As the message orders.v1.VerifyLedgerResponse; the sequence over all stores has no storeId. */
export function verifyEventJson(event: VerifyEvent): Record<string, unknown> {
  switch (event.kind) {
    case 'progress':
      return { progress: fields(event) };
    case 'sequence':
      return { sequence: fields(event) };
    case 'declaredLoss':
      return { declaredLoss: fields(event) };
    case 'verdict':
      return { verdict: fields(event) };
    default:
      return { finding: { kind: `VERIFY_FINDING_KIND_${event.kind.toUpperCase()}`, ...fields(event) } };
  }
}

function fields(event: VerifyEvent): Record<string, unknown> {
  const present = Object.entries(event).filter(([name, value]) => name !== 'kind' && value !== undefined);
  return Object.fromEntries(
    present.map(([name, value]: [string, unknown]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}
