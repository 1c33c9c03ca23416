/** The messages of the proto, read from their JSON: int64 as bigint, and fields that JSON leaves out at their defaults. */

/** @typedef {Partial<Record<string, string>>} Strings */

/**
 * @typedef {object} Format how the numbers of a store look
 * @property {string} prefix
 * @property {string} suffix
 * @property {number} minDigits
 */

/**
 * @typedef {Format & {
 *   orderId: bigint, storeId: bigint, orderNumber: bigint, count: number, displayNumber: string, requestId: string,
 *   createTime: string, caller: string,
 * }} Allocation
 */

/**
 * @typedef {Format & { storeId: bigint, firstNumber: bigint, nextNumber: bigint, createTime: string }} Store
 * `nextNumber` is 0 if the sequence is used up
 */

/** The last number of every sequence. */
const LAST_NUMBER = 2n ** 63n - 1n;
const DEFAULT_FIRST_NUMBER = '100';

/**
 * @param {unknown} json
 * @returns {Allocation}
 */
export function toAllocation(json) {
  const { count, ...fields } = /** @type {Strings & { count?: number }} */ (json);
  return {
    ...toFormat(json),
    orderId: BigInt(fields['orderId'] ?? 0),
    storeId: BigInt(fields['storeId'] ?? 0),
    orderNumber: BigInt(fields['orderNumber'] ?? 0),
    count: count ?? 0,
    displayNumber: fields['displayNumber'] ?? '',
    requestId: fields['requestId'] ?? '',
    createTime: fields['createTime'] ?? '',
    caller: fields['caller'] ?? '',
  };
}

/**
 * @param {unknown} json
 * @returns {Store}
 */
export function toStore(json) {
  const fields = /** @type {Strings} */ (json);
  return {
    ...toFormat(json),
    storeId: BigInt(fields['storeId'] ?? 0),
    firstNumber: BigInt(fields['firstNumber'] ?? DEFAULT_FIRST_NUMBER),
    nextNumber: BigInt(fields['nextNumber'] ?? 0),
    createTime: fields['createTime'] ?? '',
  };
}

/**
 * How many numbers the store has given.
 *
 * @param {Store} store
 */
export function countOf({ firstNumber, nextNumber }) {
  return (nextNumber === 0n ? LAST_NUMBER + 1n : nextNumber) - firstNumber;
}

/**
 * A number of a sequence, as people write it.
 *
 * @param {string} text
 * @returns {bigint | undefined} undefined unless it is digits of a number from 1 to 2^63-1
 */
export function toNumber(text) {
  if (!/^\d{1,40}$/.test(text)) return undefined;
  const number = BigInt(text);
  return number >= 1n && number <= LAST_NUMBER ? number : undefined;
}

/**
 * @param {unknown} json
 * @returns {Format}
 */
function toFormat(json) {
  const { prefix = '', suffix = '', minDigits = 0 } = /** @type {Partial<Format>} */ (json);
  return { prefix, suffix, minDigits };
}
