/** Display numbers: prefix, then the number padded with zeros, then suffix. */

/** @typedef {import('../calls/messages.js').Format} Format */

/**
 * @param {Format} format
 * @param {bigint} number
 */
export function displayNumber({ prefix, suffix, minDigits }, number) {
  return prefix + String(number).padStart(minDigits, '0') + suffix;
}

/**
 * The order number that looks like this in a format.
 *
 * @param {Format} format
 * @param {string} text
 * @returns {bigint | undefined} undefined if none does
 */
export function numberShownAs(format, text) {
  const { prefix, suffix } = format;
  const digits = text.slice(prefix.length, text.length - suffix.length);
  if (!/^\d{1,19}$/.test(digits)) return undefined;
  const number = BigInt(digits);
  return number > 0n && displayNumber(format, number) === text ? number : undefined;
}

/**
 * The form of a format's numbers, for people: `W-######/26`.
 *
 * @param {Format} format
 */
export function pattern({ prefix, suffix, minDigits }) {
  return prefix + '#'.repeat(Math.max(minDigits, 1)) + suffix;
}
