import { isIPv6 } from 'node:net';
import { FAILED_ATTEMPTS } from '../limits.ts';

/** How many failed authentications an address may have before it is held to the rate. */
export interface AttemptLimits {
  readonly burst: number;
  readonly perSecond: number;
  /** Addresses that are remembered; the one that failed longest ago is forgotten first. */
  readonly addresses: number;
}

/** What to do about a failed authentication. */
export interface Attempt {
  /** Too many came from its address: it gets no line in the log, and its connection ends. */
  readonly isOverLimit: boolean;
  /** Earlier ones of the address without a line, since its last one with a line. */
  readonly unlogged: number;
}

interface Bucket {
  tokens: number;
  /** When `tokens` was right, in milliseconds. */
  at: number;
  unlogged: number;
}

/** Counts failed authentications per address, in bounded memory. Those that succeed are none of its business. */
export class FailedAttempts {
  readonly #limits: AttemptLimits;
  readonly #now: () => number;
  /** The one that failed last is at the end. */
  readonly #buckets = new Map<string, Bucket>();

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(limits: AttemptLimits = FAILED_ATTEMPTS, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** One more from this address; empty if it is not known. */
  add(address: string): Attempt {
    const bucket = this.#take(networkOf(address));
    if (bucket.tokens < 1) {
      bucket.unlogged++;
      return { isOverLimit: true, unlogged: 0 };
    }
    bucket.tokens--;
    const { unlogged } = bucket;
    bucket.unlogged = 0;
    return { isOverLimit: false, unlogged };
  }

  /** The bucket of a network, with what it has gained by now, as the last one to be forgotten. */
  #take(network: string): Bucket {
    const { burst, perSecond, addresses } = this.#limits;
    const now = this.#now();
    const bucket = this.#buckets.get(network) ?? { tokens: burst, at: now, unlogged: 0 };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    this.#buckets.delete(network);
    this.#buckets.set(network, bucket);
    if (this.#buckets.size > addresses) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}

/** What one client can have many addresses of: an IPv4 address itself, of an IPv6 address the first 64 bits. */
function networkOf(address: string): string {
  const [text = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(text)) return text;
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - groupsOf(tail).length).fill('0');
  return [...front, ...zeros, ...groupsOf(tail ?? '')].slice(0, 4).join(':');
}

function groupsOf(text: string): string[] {
  // A group is written in different ways, such as 0db8 and db8.
  return text === '' ? [] : text.split(':').map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
}
