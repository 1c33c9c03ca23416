import type { Random } from '../../frame/random.ts';
import { maxLength, mutateBytes } from './bytes.ts';

/** Values at the ends of what 32 and 64 bits hold. */
const VALUES = [
  [0n, 1n, 2n, 7n, 100n, 999n, 1000n, 1001n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n],
  [2n ** 63n - 2n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 70n - 1n],
].flat();
const TEXTS = [
  ['', 'a', 'cart-1', 'x'.repeat(128), 'x'.repeat(129), 'ä', 'a b', '\0', '\ud83d', '💣', 'prefix', 'min_digits'],
  ['first_number', '*', 'W-', '/26', '\x7f', 'store.prefix', 'AQ', 'x'.repeat(70_000)],
]
  .flat()
  .map((text) => Buffer.from(text));
const BROKEN_TEXTS = ['ff', 'c328', 'e28228', 'f0288cbc', 'eda080', 'c0af', 'e282'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

const [VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32] = [0, 1, 2, 3, 4, 5];

/** A field as it is on the wire. */
interface Field {
  readonly number: number;
  readonly wire: number;
  /** The value of a varint. */
  readonly value?: bigint;
  /** The bytes of anything else, without its length. */
  readonly bytes?: Buffer;
}

/** Changes a message field by field; what is no message, or sometimes one that is, byte by byte. */
export function mutateProtobuf(input: Uint8Array, other: Uint8Array, random: Random): Buffer {
  const fields = random.chance(0.75) ? fieldsOf(Buffer.from(input)) : undefined;
  if (!fields) return mutateBytes(input, other, random);
  return encode(mutateFields(fields, fieldsOf(Buffer.from(other)) ?? [], random), random).subarray(
    0,
    maxLength(random),
  );
}

/** Undefined if the bytes are no fields. */
function fieldsOf(bytes: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = varintAt(bytes, at);
    if (!tag || tag.value >= 2n ** 32n) return undefined;
    const number = Number(tag.value >> 3n);
    const wire = Number(tag.value & 7n);
    at = tag.end;
    if (wire === VARINT) {
      const value = varintAt(bytes, at);
      if (!value) return undefined;
      fields.push({ number, wire, value: value.value });
      at = value.end;
      continue;
    }
    let length = wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : 0;
    if (wire === BYTES) {
      const announced = varintAt(bytes, at);
      if (!announced) return undefined;
      at = announced.end;
      length = Number(announced.value);
    }
    if (wire > FIXED32 || at + length > bytes.length) return undefined;
    fields.push({ number, wire, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return fields;
}

function mutateFields(fields: readonly Field[], others: readonly Field[], random: Random): Field[] {
  const at = random.below(fields.length + 1);
  const field = fields[at];
  const replaced = (...by: readonly Field[]) => fields.toSpliced(at, field ? 1 : 0, ...by);
  const number = random.chance(0.9) ? random.between(1, 12) : random.pick([0, 15, 16, 1000, 2 ** 29 - 1]);
  switch (random.below(11)) {
    case 0:
      return replaced();
    case 1:
      return field ? replaced(field, field) : [...fields, ...others];
    case 2:
      return fields.toSpliced(at, 0, ...others.slice(0, 3));
    case 3:
      return fields.toReversed();
    case 4:
      return replaced({ ...(field ?? { wire: VARINT, value: 1n }), number });
    case 5:
      return replaced({ number: field?.number ?? number, wire: VARINT, value: random.pick(VALUES) });
    case 6:
      return replaced({ number: field?.number ?? number, wire: BYTES, bytes: random.pick(TEXTS) });
    case 7:
      return replaced({ number: field?.number ?? number, wire: BYTES, bytes: random.pick(BROKEN_TEXTS) });
    case 8:
      return field?.bytes && field.wire === BYTES
        ? replaced({ ...field, bytes: nested(field.bytes, random) })
        : replaced();
    case 9:
      return field ? repeated(fields, field, random) : fields.slice();
    default:
      return replaced(
        { number, wire: START_GROUP, bytes: Buffer.alloc(0) },
        ...(field ? [field] : []),
        ...(random.chance(0.7) ? [{ number, wire: END_GROUP, bytes: Buffer.alloc(0) }] : []),
      );
  }
}

function nested(bytes: Buffer, random: Random): Buffer {
  return mutateProtobuf(bytes, bytes, random);
}

/** Mostly a few, sometimes one more than a batch may have, seldom as many as a message holds. */
function repeated(fields: readonly Field[], field: Field, random: Random): Field[] {
  const most = Math.floor(maxLength(random) / ((field.bytes?.length ?? 1) + 2));
  const times = Math.min(most, random.chance(0.9) ? random.between(2, 20) : random.pick([1000, 1001, most]));
  return [...fields, ...Array.from({ length: times }, () => field)];
}

function encode(fields: readonly Field[], random: Random): Buffer {
  const parts = fields.flatMap(({ number, wire, value, bytes = Buffer.alloc(0) }) => [
    varint((BigInt(number) << 3n) | BigInt(wire), random),
    ...(wire === VARINT ? [varint(value ?? 0n, random)] : []),
    ...(wire === BYTES ? [varint(BigInt(lengthOf(bytes, random)), random)] : []),
    bytes,
  ]);
  return Buffer.concat(parts);
}

/** Rarely a wrong one. */
function lengthOf(bytes: Buffer, random: Random): number {
  return random.chance(0.005) ? random.pick([bytes.length + 1, bytes.length >> 1, 2 ** 31, 2 ** 32 - 1]) : bytes.length;
}

/** Rarely longer than it need be. */
function varint(value: bigint, random: Random): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n || bytes.length === 0; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  while (random.chance(0.005)) bytes.push(0x80);
  bytes[bytes.length - 1]! &= 0x7f;
  return Buffer.from(bytes);
}

function varintAt(bytes: Buffer, from: number): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n;
  for (let at = from; at < bytes.length && at < from + 10; at++) {
    value |= BigInt(bytes[at]! & 0x7f) << BigInt(7 * (at - from));
    if (bytes[at]! < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}
