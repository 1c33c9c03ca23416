import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';

/** How a field is written (https://protobuf.dev/programming-guides/encoding). */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

type Wire = (typeof WIRE)[keyof typeof WIRE];

/** The most bytes of a varint. */
const MAX_VARINT_BYTES = 10;
/** The same for 32 bits; the last of them has four bits of the number. */
const MAX_SHORT_VARINT_BYTES = 5;
const MAX_LAST_BYTE = 0x0f;

const WIRE_OF: { readonly [S in ScalarType]?: Wire } = {
  [ScalarType.DOUBLE]: WIRE.fixed64,
  [ScalarType.FIXED64]: WIRE.fixed64,
  [ScalarType.SFIXED64]: WIRE.fixed64,
  [ScalarType.FLOAT]: WIRE.fixed32,
  [ScalarType.FIXED32]: WIRE.fixed32,
  [ScalarType.SFIXED32]: WIRE.fixed32,
  [ScalarType.STRING]: WIRE.bytes,
  [ScalarType.BYTES]: WIRE.bytes,
};

/** What the sender of other bytes is told. */
export const NOT_BINARY = 'the message is not in the binary form of Protocol Buffers';

/** How a message is written: what the bytes of each of its fields must be. */
export type MessageForm = ReadonlyMap<number, FieldForm>;

interface FieldForm {
  readonly wire: Wire;
  readonly isRepeated: boolean;
  /** What is in it, if it is a message. */
  readonly form: MessageForm | undefined;
}

/** The form of a message that has no field with itself in it, and no repeated numbers, as requests have none. */
export function messageFormOf({ fields }: DescMessage): MessageForm {
  return new Map(fields.map((field) => [field.number, fieldFormOf(field)]));
}

function fieldFormOf(field: DescField): FieldForm {
  const { scalar, message } = field;
  const wire = message ? WIRE.bytes : ((scalar && WIRE_OF[scalar]) ?? WIRE.varint);
  return { wire, isRepeated: field.fieldKind === 'list', form: message && messageFormOf(message) };
}

/**
 * Whether bytes are a message in the binary form of Protocol Buffers, from their first to their last. The decoders look
 * less closely: one stops at a field with the number 0, another takes a field for what its number says, however it is
 * written, and of two values of a field that is a message, one takes the last and the other a mixture. Fields with unknown
 * numbers may be any but groups, which are out of use.
 */
export function isMessage(bytes: Uint8Array, form: MessageForm): boolean {
  return new Scan(bytes).isMessage(form, bytes.length);
}

/** A position in the bytes of a message. After a failure it is of no use. */
class Scan {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  isMessage(form: MessageForm, end: number): boolean {
    let once: Set<FieldForm> | undefined;
    while (this.#at < end) {
      const tag = this.#shortVarint();
      const field = form.get(tag >>> 3);
      const wire = tag & 7;
      if (tag >>> 3 === 0 || (field && field.wire !== wire)) return false;
      if (field?.form && !field.isRepeated) {
        if (once?.has(field)) return false;
        (once ??= new Set()).add(field);
      }
      if (!this.#skip(wire, field?.form, end)) return false;
    }
    return this.#at === end;
  }

  /** Passes over the value of a field. Returns false if it is none, or goes beyond the end. */
  #skip(wire: number, form: MessageForm | undefined, end: number): boolean {
    switch (wire) {
      case WIRE.varint:
        return this.#skipVarint();
      case WIRE.fixed64:
        this.#at += 8;
        return true;
      case WIRE.fixed32:
        this.#at += 4;
        return true;
      case WIRE.bytes: {
        const length = this.#shortVarint();
        const next = this.#at + length;
        if (length < 0 || next > end) return false;
        if (form) return this.isMessage(form, next);
        this.#at = next;
        return true;
      }
      default:
        return false;
    }
  }

  #skipVarint(): boolean {
    for (let left = MAX_VARINT_BYTES; left > 0; left--) if (this.#bytes[this.#at++]! < 0x80) return true;
    return false;
  }

  /** A number of 32 bits; a negative one if there is none. */
  #shortVarint(): number {
    let value = 0;
    for (let i = 0; i < MAX_SHORT_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || (i === MAX_SHORT_VARINT_BYTES - 1 && byte > MAX_LAST_BYTE)) return -1;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return -1;
  }
}
