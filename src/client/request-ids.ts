import { randomFillSync } from 'node:crypto';

/** Their 20 hexadecimal digits give an id 18, and two bits of one more. */
const RANDOM_BYTES = 10;
const IDS_AT_ONCE = 128;
/** The byte with RFC 9562's two bits of the variant. */
const VARIANT_BYTE = 2;

/**
 * Creates request_ids of the kind that the core's newRequestId creates, for thousands of callers at a time: random bytes
 * for many of them at once, and few short-lived texts, of which randomUUID has twenty per id.
 */
export class RequestIds {
  readonly #random = Buffer.alloc(RANDOM_BYTES * IDS_AT_ONCE);
  #used = this.#random.length;
  #ms = Number.NaN;
  /** The digits before the random ones, which say the time. */
  #prefix = '';

  next(): string {
    this.#tellTime(Date.now());
    if (this.#used === this.#random.length) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += RANDOM_BYTES;
    const variant = start + VARIANT_BYTE;
    this.#random[variant] = (this.#random[variant]! & 0x3f) | 0x80;
    const digits = this.#random.toString('hex', start, this.#used);
    return `${this.#prefix}${digits.slice(1, 4)}-${digits.slice(4, 8)}-${digits.slice(8)}`;
  }

  #tellTime(ms: number): void {
    if (ms === this.#ms) return;
    this.#ms = ms;
    const time = ms.toString(16).padStart(12, '0');
    this.#prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  }
}
