import type { Random } from '../../frame/random.ts';

/** Inputs that are longer than what a server takes, 256 KiB, are rare: they cost as much as a thousand others. */
const [LONGEST, USUAL_LENGTH] = [300 * 1024, 1500];

/** The longest that this input may become. */
export function maxLength(random: Random): number {
  return random.chance(0.002) ? LONGEST : USUAL_LENGTH;
}
/** Bytes that parsers treat in a special way: signs, ends of a range, and those that begin other encodings. */
const BYTES = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x7f, 0x80, 0xc3, 0xe2, 0xef, 0xfe, 0xff];
/** Numbers at which a length or a counter overflows. */
const NUMBERS = [0, 1, 4, 5, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x1_0000, 0x4_0000, 0x4_0001, 0x7fff_ffff, 0xffff_ffff];
/** Repetitions: of a byte, or of a thousand requests. */
const TIMES = [2, 3, 10, 1000, 20_000];

type Mutation = (input: Buffer, other: Buffer, random: Random) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (input, _, random) => changed(input, random, (byte) => byte ^ (1 << random.below(8))),
  (input, _, random) => changed(input, random, () => random.pick(BYTES)),
  (input, _, random) => changed(input, random, () => random.below(256)),
  (input, _, random) => {
    const [from, to] = rangeOf(input, random);
    return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
  },
  (input, _, random) => input.subarray(0, random.below(input.length + 1)),
  (input, _, random) => inserted(input, Buffer.from([random.pick(BYTES)]), random),
  (input, _, random) => inserted(input, Buffer.from(Array.from({ length: 4 }, () => random.below(256))), random),
  (input, _, random) => inserted(input, numberOf(random), random),
  (input, _, random) => overwritten(input, numberOf(random), random),
  (input, other, random) => inserted(input, other.subarray(...rangeOf(other, random)), random),
  (input, _, random) => inserted(input, input.subarray(...rangeOf(input, random)), random),
  (input, _, random) => repeated(input, random),
];

/** Changes a few bytes, or the order or the number of them. */
export function mutateBytes(input: Uint8Array, other: Uint8Array, random: Random): Buffer {
  return random.pick(MUTATIONS)(Buffer.from(input), Buffer.from(other), random).subarray(0, maxLength(random));
}

function changed(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  if (input.length === 0) return input;
  const at = random.below(input.length);
  input[at] = change(input[at]!);
  return input;
}

/** Short ones are likelier. */
function rangeOf(input: Buffer, random: Random): [from: number, to: number] {
  const from = random.below(input.length + 1);
  const longest = random.chance(0.8) ? Math.min(16, input.length - from) : input.length - from;
  return [from, from + random.below(longest + 1)];
}

function inserted(input: Buffer, bytes: Buffer, random: Random): Buffer {
  const at = random.below(input.length + 1);
  return Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)]);
}

function overwritten(input: Buffer, bytes: Buffer, random: Random): Buffer {
  if (input.length < bytes.length) return bytes;
  bytes.copy(input, random.below(input.length - bytes.length + 1));
  return input;
}

function numberOf(random: Random): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(random.pick(NUMBERS));
  if (random.chance(0.5)) bytes.reverse();
  return bytes.subarray(random.pick([0, 2, 3]));
}

function repeated(input: Buffer, random: Random): Buffer {
  const [from, to] = rangeOf(input, random);
  const wanted = random.pick(random.chance(0.9) ? TIMES.slice(0, 3) : TIMES);
  const times = Math.min(wanted, maxLength(random) / (to - from + 1));
  const parts = Array.from({ length: times }, () => input.subarray(from, to));
  return Buffer.concat([input.subarray(0, from), ...parts, input.subarray(to)]);
}
