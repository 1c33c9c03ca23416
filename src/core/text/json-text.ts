/**
 * Deeper than any text that is read here: the body of an order has one level, an item of DynamoDB, which may nest 32
 * deep, some 70 with the names of its types.
 */
const MAX_LEVELS = 100;

/**
 * JSON.parse for a text from elsewhere. Throws a RangeError if it is nested too deeply, and what JSON.parse throws.
 *
 * The JSON parser of V8 14.6 (Node.js 26) damages the heap when it gives up on a text in the middle of an object or an
 * array, in two cases: with a reviver, and thousands of levels down. The process then crashes anywhere, at any time. So
 * a reviver only sees a text that has been parsed without one, and no text is parsed that is so deep.
 */
export function parseJson(
  text: string,
  revive?: (key: string, value: unknown, context?: JsonSource) => unknown,
): unknown {
  if (isTooDeep(text)) throw new RangeError(`the JSON is nested more than ${MAX_LEVELS} levels deep`);
  const value: unknown = JSON.parse(text);
  return revive ? JSON.parse(text, revive) : value;
}

/** How a primitive value was written. */
export interface JsonSource {
  readonly source?: string;
}

/** Exact as far as the text is JSON, which is as far as it would be parsed. */
function isTooDeep(text: string): boolean {
  let levels = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '[':
      case '{':
        if (++levels > MAX_LEVELS) return true;
        break;
      case ']':
      case '}':
        levels--;
        break;
      case '"':
        at = endOfString(text, at);
    }
  }
  return false;
}

/** Where the quote is that closes a string, or the end of the text if none does. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let last = end;
    while (text[last - 1] === '\\') last--;
    // An even number of backslashes escape each other.
    if ((end - last) % 2 === 0) return end;
  }
  return text.length;
}

const JSON_NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Whether a JSON number has no fraction: 5.0, 1e3 and 1.5e1 have none. */
export function isWhole(source: string): boolean {
  const [, whole = '', fraction = '', exponent = '0'] = JSON_NUMBER.exec(source) ?? [];
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return point >= digits.length || /^0*$/.test(digits.slice(Math.max(0, point)));
}

/** Whether a value that was parsed is an object: neither null nor an array. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
