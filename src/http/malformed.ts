/** The whole body of the answer to a malformed request, as the original sample has it. */
export const MALFORMED_BODY = '{"message":"Malformed Request"}';

/** Of a number that may be rounded. */
const MAY_ROUND = /[.eE]/;
const JSON_NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The store_id of a request's body: 1 to 2^53-1. Undefined where there is no body, it is no JSON object, or
 * its store_id is not a positive whole number that JSON.parse gives exactly (1e3 and 5.0 are whole).
 */
export function storeIdOf(body: unknown): number | undefined {
  if (typeof body !== 'string') return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  // JSON.parse makes a member `__proto__` a property like any other, so it cannot lend the object a store_id.
  if (typeof parsed !== 'object' || parsed === null || !('store_id' in parsed)) return undefined;
  const { store_id: storeId } = parsed;
  if (typeof storeId !== 'number' || !Number.isSafeInteger(storeId) || storeId < 1) return undefined;
  return MAY_ROUND.test(body) && !isWhole(sourceOf(body)) ? undefined : storeId;
}

/** As the store_id of the outermost object is written: JSON.parse rounds a long fraction to a whole number. */
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

/** Whether a JSON number has no fraction: 5.0, 1e3 and 1.5e1 have none. */
function isWhole(source: string): boolean {
  const [, whole = '', fraction = '', exponent = '0'] = JSON_NUMBER.exec(source) ?? [];
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return point >= digits.length || /^0*$/.test(digits.slice(Math.max(0, point)));
}
