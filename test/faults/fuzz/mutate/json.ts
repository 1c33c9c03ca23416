import type { Random } from '../../frame/random.ts';
import { mutateText, numberText } from './text.ts';

/** A value that is written as it is, such as a number that no double holds. */
class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Changes a JSON text: mostly one of its values or names, else any of its characters. */
export function mutateJson(input: string, other: string, random: Random, names: readonly string[]): string {
  const value = random.chance(0.6) ? parsed(input) : undefined;
  if (value === undefined) return mutateText(input, other, random, names);
  return written(mutated(value, parsed(other), random, names), random);
}

function parsed(text: string): unknown {
  // Deeper texts would damage the heap: see src/core/text/json-text.ts.
  if (text.length > 4000 || /[[{]{50}/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mutated(value: unknown, other: unknown, random: Random, names: readonly string[]): unknown {
  const isInside = random.chance(0.75);
  if (isInside && Array.isArray(value) && value.length > 0) return mutatedArray(value, other, random, names);
  if (isInside && typeof value === 'object' && value !== null && !(value instanceof Raw) && !Array.isArray(value)) {
    return mutatedObject(Object.entries(value), other, random, names);
  }
  switch (random.below(7)) {
    case 0:
      return new Raw(numberText(random));
    case 1:
      return random.pick([null, true, false, 0, -1, 1.5, '', [], {}, '7', '\0', '\ud800', '💣']);
    case 2:
      return String(typeof value === 'object' ? '' : value);
    case 3:
      return [value, other];
    case 4:
      return { [random.pick(names)]: value };
    case 5:
      return typeof value === 'string' ? mutateText(value, value, random, names) : other;
    default:
      return value;
  }
}

function mutatedArray(items: readonly unknown[], other: unknown, random: Random, names: readonly string[]): unknown {
  const at = random.below(items.length);
  if (random.chance(0.1)) return items.toSpliced(at, 1);
  if (random.chance(0.2)) return [...items, items[at]];
  if (random.chance(0.01)) return Array.from({ length: random.pick([1000, 1001]) }, () => items[at]);
  return items.with(at, mutated(items[at], other, random, names));
}

/** Entries, because a name may be there twice. */
class Entries {
  readonly list: readonly (readonly [name: string, value: unknown])[];

  constructor(list: readonly (readonly [name: string, value: unknown])[]) {
    this.list = list;
  }
}

function mutatedObject(
  entries: readonly (readonly [name: string, value: unknown])[],
  other: unknown,
  random: Random,
  names: readonly string[],
): unknown {
  const at = random.below(entries.length + 1);
  const entry = entries[at];
  if (!entry) return new Entries([...entries, [random.pick(names), other ?? 7]]);
  const [name, value] = entry;
  switch (random.below(6)) {
    case 0:
      return new Entries(entries.toSpliced(at, 1));
    case 1:
      return new Entries([...entries, [name, random.chance(0.5) ? value : new Raw(numberText(random))]]);
    case 2:
      return new Entries(entries.with(at, [random.pick(names), value]));
    case 3:
      return new Entries(entries.with(at, [mutateText(name, name, random, names), value]));
    default:
      return new Entries(entries.with(at, [name, mutated(value, other, random, names)]));
  }
}

function written(value: unknown, random: Random): string {
  const space = random.chance(0.05) ? random.pick([' ', '\n', '\t', '\r\n']) : '';
  if (value instanceof Raw) return value.text;
  if (value instanceof Entries) {
    const members = value.list.map(
      ([name, item]) => `${quoted(name, random)}${space}:${space}${written(item, random)}`,
    );
    return `{${members.join(`,${space}`)}}`;
  }
  if (Array.isArray(value)) return `[${value.map((item) => written(item, random)).join(`,${space}`)}]`;
  if (typeof value === 'object' && value !== null) return written(new Entries(Object.entries(value)), random);
  return typeof value === 'string' ? quoted(value, random) : (JSON.stringify(value) ?? 'null');
}

/** Sometimes with a needless escape. */
function quoted(text: string, random: Random): string {
  const json = JSON.stringify(text);
  if (text === '' || random.chance(0.97)) return json;
  return json.replace(/[a-z]/i, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
}
