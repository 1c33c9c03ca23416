import { OrderError } from '../../core/errors.ts';
import { isJsonObject, isWhole, parseJson } from '../../core/text/json-text.ts';

/** The answer to a malformed request, as in the original sample. */
export const MALFORMED = 'Malformed Request';
const MALFORMED_BATCH = 'the body is not a JSON array of orders; send [{"store_id": 7}]';

/** Why a request or an order is malformed: one sentence says what to send. */
export interface Malformed {
  readonly reason: 'STORE_ID_INVALID' | 'REQUEST_ID_INVALID' | 'COUNT_INVALID';
  readonly detail: string;
}

const KEY_IN_BODY = 'the key of a request is not read from its body; send it as the header Idempotency-Key';
const ONE_NUMBER =
  'a request gets one number; for more send [{"store_id": 7, "count": 2}] to /api/generateOrderNumbers';

/** What callers take for a field. If it were ignored like any other, a retry would be numbered twice. */
const NOT_READ: ReadonlyMap<string, Malformed> = new Map([
  ['request_id', { reason: 'REQUEST_ID_INVALID', detail: KEY_IN_BODY }],
  ['requestId', { reason: 'REQUEST_ID_INVALID', detail: KEY_IN_BODY }],
  ['count', { reason: 'COUNT_INVALID', detail: ONE_NUMBER }],
]);
const MISNAMED_KEY: Malformed = {
  reason: 'REQUEST_ID_INVALID',
  detail: 'requestId is no field of an order; send request_id',
};

/** A number with a fraction or an exponent, which may be rounded. */
const MAY_ROUND = /\d[.eE]/;

/**
 * The store_id of a request's body: 1 to 2^53-1. Undefined if there is no body, it is no JSON object, it has a key or a
 * count, which are not read from it, or its store_id is not a positive whole number that JSON.parse gives exactly (1e3
 * and 5.0 are whole).
 */
export function storeIdOf(body: unknown): number | undefined {
  if (typeof body !== 'string') return undefined;
  try {
    return exactStoreId(body);
  } catch {
    // No JSON, or nested too deeply to be read.
    return undefined;
  }
}

/** Why {@link storeIdOf} found no store_id. */
export function whyMalformed(body: unknown): Malformed {
  let parsed: unknown;
  try {
    parsed = parseJson(String(body));
    exactStoreId(String(body));
  } catch (error) {
    const isDeep = error instanceof RangeError;
    return noStore(isDeep ? 'the body is nested too deeply' : 'the body is not JSON; send {"store_id": 7}');
  }
  const notRead = isJsonObject(parsed) ? Object.keys(parsed).find((name) => NOT_READ.has(name)) : undefined;
  return notRead === undefined ? whyNoOrder(parsed, 'the body') : NOT_READ.get(notRead)!;
}

function whyNoOrder(parsed: unknown, name = 'the order'): Malformed {
  if (!isJsonObject(parsed)) return noStore(`${name} is not a JSON object; send {"store_id": 7}`);
  if (!('store_id' in parsed)) return noStore('store_id is missing; send {"store_id": 7}');
  const range = `a whole number from 1 to ${Number.MAX_SAFE_INTEGER}`;
  const isNumber = typeof parsed.store_id === 'number';
  return noStore(`store_id must be ${isNumber ? range : `a JSON number, ${range}, not ${kindOf(parsed.store_id)}`}`);
}

function noStore(detail: string): Malformed {
  return { reason: 'STORE_ID_INVALID', detail };
}

/** One order of a batch as it was posted. */
export interface PostedOrder {
  /** As {@link storeIdOf} has it; undefined if the order is malformed. */
  readonly storeId: number | undefined;
  /** 1 unless given; NaN if it is no number. */
  readonly count: number;
  /** Undefined if it is absent, empty if it is no text. */
  readonly key: string | undefined;
  /** Why the order is malformed. */
  readonly why: Malformed | undefined;
}

/** The orders of a batch. Throws BATCH_SIZE_INVALID if the body is no JSON array. */
export function postedOrders(body: unknown): readonly PostedOrder[] {
  let parsed: unknown;
  try {
    parsed = parseJson(String(body));
  } catch {
    throw new OrderError('BATCH_SIZE_INVALID', MALFORMED_BATCH);
  }
  if (!Array.isArray(parsed)) throw new OrderError('BATCH_SIZE_INVALID', MALFORMED_BATCH);
  const mayRound = MAY_ROUND.test(String(body));
  const exact: unknown[] = mayRound ? (JSON.parse(String(body), toExactText) as unknown[]) : parsed;
  return parsed.map((order: unknown, i) => postedOrder(order, exact[i]));
}

/** Keeps the text of a number that may be rounded, so that rounding can be detected. */
function toExactText(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? { source: context.source } : value;
}

/** `exact` is the same order, or has the texts of its numbers. */
function postedOrder(order: unknown, exact: unknown): PostedOrder {
  const { store_id: storeId, request_id: key, requestId: misnamed, count = 1 } = isJsonObject(order) ? order : {};
  const texts = isJsonObject(exact) ? exact : {};
  const isWholeNumber = (name: string) => !isJsonObject(texts[name]) || isWhole(String(texts[name]['source']));
  const isGood = isStoreId(storeId) && isWholeNumber('store_id') && misnamed === undefined;
  return {
    ...(isGood
      ? { storeId, why: undefined }
      : { storeId: undefined, why: misnamed === undefined ? whyNoOrder(order) : MISNAMED_KEY }),
    count: typeof count === 'number' && isWholeNumber('count') ? count : NaN,
    key: key === undefined || typeof key === 'string' ? key : '',
  };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** Throws what {@link parseJson} throws. */
function exactStoreId(body: string): number | undefined {
  const parsed = parseJson(body);
  // JSON.parse makes a member `__proto__` a property like any other, so it cannot lend the object a store_id.
  if (typeof parsed !== 'object' || parsed === null || !('store_id' in parsed)) return undefined;
  if ('request_id' in parsed || 'requestId' in parsed || 'count' in parsed) return undefined;
  const { store_id: storeId } = parsed;
  if (!isStoreId(storeId)) return undefined;
  return MAY_ROUND.test(body) && !isWhole(sourceOf(body)) ? undefined : storeId;
}

/**
 * The outermost store_id as the client wrote it: JSON.parse rounds a long fraction to a whole number. The body has been
 * parsed before.
 */
function sourceOf(body: string): string {
  const sources = new Map<unknown, string>();
  let outermost: unknown;
  JSON.parse(body, function (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) {
    if (key === 'store_id' && context?.source !== undefined) sources.set(this, context.source);
    // The outermost comes last, alone in an object under an empty key.
    outermost = value;
    return value;
  } as (this: unknown, key: string, value: unknown) => unknown);
  return sources.get(outermost) ?? '';
}

function isStoreId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
