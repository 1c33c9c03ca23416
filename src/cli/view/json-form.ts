import type { Allocation, FindingKind, ServerStatus, Store, VerifyStep } from '../../client/index.ts';

// The JSON mapping of the proto, with every field. An int64 is a string, because a JSON number would round it.

/** A value without a message in the proto, as one line; bigints become strings. */
export function jsonLine(value: object): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field));
}

/** The fields of orders.v1.Allocation, in the order of the proto. */
export const ALLOCATION_FIELDS = [
  'orderId',
  'storeId',
  'orderNumber',
  'count',
  'displayNumber',
  'prefix',
  'suffix',
  'minDigits',
  'requestId',
  'createTime',
  'caller',
] as const satisfies readonly (keyof Allocation)[];

/** As the message orders.v1.Allocation. */
export function allocationJson(allocation: Allocation): Record<(typeof ALLOCATION_FIELDS)[number], string | number> {
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
    caller: allocation.caller,
  };
}

/** The fields of orders.v1.Store, in the order of the proto. */
export const STORE_FIELDS = [
  'storeId',
  'firstNumber',
  'nextNumber',
  'prefix',
  'suffix',
  'minDigits',
  'createTime',
] as const satisfies readonly (keyof Store)[];

/** As the message orders.v1.Store. */
export function storeJson(store: Store): Record<(typeof STORE_FIELDS)[number], string | number> {
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

/** As the message orders.v1.WatchServerResponse; what was not measured is null. */
export function serverJson(status: ServerStatus) {
  const state = status.state === 'unknown' ? 'unspecified' : status.state.replace(' ', '_');
  const { activity } = status;
  return {
    state: `SERVER_STATE_${state.toUpperCase()}`,
    reason: status.reason,
    ledgerClosedSeconds: status.ledgerClosedSeconds,
    lastOrderId: String(status.lastOrderId),
    waitingRequests: status.waitingRequests,
    activity: activity ? withNulls(activity) : null,
    version: status.version,
    engine: status.engine,
    startTime: status.startTime.toISOString(),
  };
}

function withNulls(measured: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, (value as unknown) ?? null]));
}

/** As the message orders.v1.VerifyLedgerResponse; the sequence over all stores has no storeId. */
export function verifyStepJson(step: VerifyStep): Record<string, unknown> {
  switch (step.kind) {
    case 'progress':
      return { progress: fields(step) };
    case 'sequence':
      return { sequence: fields(step) };
    case 'declaredLoss':
      return { declaredLoss: fields(step) };
    case 'verdict':
      return { verdict: fields(step) };
    case 'finding': {
      const { findingKind, ...finding } = step;
      const kind = `VERIFY_FINDING_KIND_${shownKind(findingKind).toUpperCase()}`;
      return { finding: { kind, ...fields(finding) } };
    }
  }
}

/** A kind that only a newer server knows is shown as a mismatch; its message says what it is. */
export function shownKind(kind: FindingKind): string {
  return kind === 'unknown' ? 'mismatch' : kind;
}

function fields(step: object): Record<string, unknown> {
  const present = Object.entries(step).filter(([name, value]) => name !== 'kind' && value !== undefined);
  return Object.fromEntries(
    present.map(([name, value]: [string, unknown]) => [name, typeof value === 'bigint' ? String(value) : value]),
  );
}
