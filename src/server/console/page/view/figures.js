/** Numbers as people read them. Ids and order numbers are never grouped: people copy them. */

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const ONE_DIGIT = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const TWO_DIGITS = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

/**
 * An amount, such as 12,345: exact if it is a bigint.
 *
 * @param {number | bigint} amount
 */
export function grouped(amount) {
  return GROUPED.format(amount);
}

/**
 * A figure with about three digits that count.
 *
 * @param {number} figure
 */
export function rounded(figure) {
  if (figure >= 100) return GROUPED.format(figure);
  return (figure >= 10 ? ONE_DIGIT : TWO_DIGITS).format(figure);
}

/**
 * `1 row`, `2 rows`.
 *
 * @param {number | bigint} amount
 * @param {string} noun
 */
export function counted(amount, noun) {
  return `${grouped(amount)} ${noun}${Number(amount) === 1 ? '' : 's'}`;
}
