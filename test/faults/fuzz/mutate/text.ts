import type { Random } from '../../frame/random.ts';
import { maxLength } from './bytes.ts';

/** What parsers of text stumble over. */
const TOKENS = [
  [
    '\0',
    '\n',
    '\r\n',
    '\t',
    ' ',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\ud800',
    '\udfff',
    'é',
    'İ',
    '💣',
    '\u202e',
    '\x1b[2J',
  ],
  ['"', "'", '\\', '/', '%', '%00', '%E0%A4%A', '&', '=', '?', '#', '@', ':', ',', ';', '..', '~', '$', '`', '*'],
  ['[', ']', '{', '}', '(', ')', '{"', '"}', '[[[[', '__proto__', 'constructor', 'null', 'true', 'NaN', 'Infinity'],
].flat();
/** Numbers at the ends of what a double, 32 bits or 64 bits hold, in several ways to write them. */
const NUMBERS = [
  ['0', '-0', '-1', '1', '007', '+7', '1e3', '1E400', '1e-1', '5.0', '1.5', '0x10', '1_000', '٣', '1n', '', ' 7'],
  ['2147483647', '2147483648', '4294967295', '4294967296', '9007199254740991', '9007199254740993'],
  ['9223372036854775807', '9223372036854775808', '-9223372036854775808', '18446744073709551616', '9'.repeat(40)],
  ['1.0000000000000000001', '9007199254740990.9', '1e999999999999', `1.${'0'.repeat(60)}1`, '9'.repeat(5000)],
].flat();

/** Changes a text. `words` are those that have a meaning in it. */
export function mutateText(input: string, other: string, random: Random, words: readonly string[] = []): string {
  return changed(input, other, random, words).slice(0, maxLength(random));
}

function changed(input: string, other: string, random: Random, words: readonly string[]): string {
  const [from, to] = rangeOf(input, random);
  const [start, end] = rangeOf(other, random);
  const middle = input.slice(from, to);
  const around = (text: string) => input.slice(0, from) + text + input.slice(to);
  switch (random.below(11)) {
    case 0:
      return around('');
    case 1:
      return around(middle + middle);
    case 2:
      return around(other.slice(start, end));
    case 3:
      return around(random.pick(TOKENS));
    case 4:
      return around(middle + random.pick(TOKENS));
    case 5:
      return around(words.length > 0 ? random.pick(words) : random.pick(NUMBERS));
    case 6:
      return withOtherNumber(input, random);
    case 7:
      return around(
        middle.repeat(Math.min(random.pick([2, 3, 50, 120, 20_000]), maxLength(random) / (middle.length + 1))),
      );
    case 8:
      return input.slice(0, from);
    case 9:
      return around(random.chance(0.5) ? middle.toUpperCase() : middle.toLowerCase());
    default:
      return input.slice(0, from) + String.fromCharCode(random.below(0x250)) + input.slice(from + 1);
  }
}

export function numberText(random: Random): string {
  return random.pick(NUMBERS);
}

function withOtherNumber(input: string, random: Random): string {
  const numbers = [...input.matchAll(/-?\d+(\.\d+)?/g)];
  const found = numbers.length > 0 ? random.pick(numbers) : undefined;
  if (!found) return input + random.pick(NUMBERS);
  return input.slice(0, found.index) + random.pick(NUMBERS) + input.slice(found.index + found[0].length);
}

/** Short ones are likelier. */
function rangeOf(text: string, random: Random): readonly [from: number, to: number] {
  const from = random.below(text.length + 1);
  const longest = random.chance(0.8) ? Math.min(12, text.length - from) : text.length - from;
  return [from, from + random.below(longest + 1)];
}
