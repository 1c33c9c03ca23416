/** The whole body of the answer to a malformed request, as the original sample has it. */
export const MALFORMED_BODY = '{"message":"Malformed Request"}';

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
  return typeof storeId === 'number' && Number.isSafeInteger(storeId) && storeId >= 1 ? storeId : undefined;
}
