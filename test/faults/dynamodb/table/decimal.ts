/** Digits of a number, at most. */
const MAX_DIGITS = 38;
/** A number is compared as so many of these, whole. */
const FRACTION_DIGITS = 20;
const NUMBER = /^(\d+)(?:\.(\d+))?$/;

/** The number as DynamoDB returns it: without zeros at either end. Throws for what it refuses. */
export function canonical(number: string): string {
  // Almost all of them are.
  if (!number.includes('.') && (number === '0' || !number.startsWith('0')) && number.length <= MAX_DIGITS)
    return number;
  const [, whole, fraction = ''] = NUMBER.exec(number) ?? [];
  if (whole === undefined) throw new Error(`the simulated table has no number ${number}`);
  const [left, right] = [whole.replace(/^0+(?=\d)/, ''), fraction.replace(/0+$/, '')];
  const digits = `${left}${right}`.replace(/^0+/, '');
  if (digits.length > MAX_DIGITS) throw new Error(`${number} has more than ${MAX_DIGITS} digits`);
  return right === '' ? left : `${left}.${right}`;
}

/** In the order of the numbers. */
export function scaled(number: string): bigint {
  if (number === '0') return 0n;
  const point = number.indexOf('.');
  if (point < 0) return BigInt(number) * 10n ** BigInt(FRACTION_DIGITS);
  return BigInt(number.slice(0, point) + number.slice(point + 1).padEnd(FRACTION_DIGITS, '0'));
}
