/** Runs of characters that would break a line or move a cursor. */
export const CONTROL_CHARACTERS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/** Digits that fit any number here, with zeros in front. */
const DIGITS = /^\d{1,40}$/;

export function hasControlCharacter(text: string): boolean {
  return text.search(CONTROL_CHARACTERS) !== -1;
}

/** A foreign text as one line that moves no cursor. */
export function printable(text: string): string {
  return text.replace(CONTROL_CHARACTERS, ' ');
}

/**
 * The text of a setting, without the white space around it: an env file with the line ends of Windows leaves a
 * carriage return behind each value. Throws if a control character is left inside it.
 */
export function settingText(text: string): string {
  const value = text.trim();
  if (!hasControlCharacter(value)) return value;
  throw new Error('The value contains a line break or another control character; remove it.');
}

/** The same parser, which then never sees white space around a value. */
export function trimmed<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => parse(settingText(text));
}

/** A whole number in decimal digits, exactly: never a double, which would round it. Undefined for any other text. */
export function exactNumber(text: string, least: bigint, most: bigint): bigint | undefined {
  if (!DIGITS.test(text)) return undefined;
  const number = BigInt(text);
  return number >= least && number <= most ? number : undefined;
}

/** A parser of whole numbers that fit a double. Throws an Error whose message says what a good value is. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = exactNumber(text, BigInt(least), BigInt(most));
    if (number === undefined) throw new Error(`Use a whole number from ${least} to ${most}.`);
    return Number(number);
  };
}

/** Throws an Error whose message says what a good value is. */
export function parseBoolean(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new Error('Use true or false.');
}

/** Decimal digits, with or without a point. */
const SHARE = /^\d{1,20}(\.\d{1,20})?$/;

/** A share of a whole. Throws an Error whose message says what a good value is. */
export function parseShare(text: string): number {
  const share = SHARE.test(text) ? Number(text) : 0;
  if (share > 0 && share <= 1) return share;
  throw new Error('Use a number above 0 and up to 1, such as 0.5.');
}
