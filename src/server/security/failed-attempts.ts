import { isIPv6 } from 'node:net';
import { FAILED_ATTEMPTS } from '../limits.ts';

/** How many failed authentications an address may have before it is held to the rate. */
export interface AttemptLimits {
  readonly burst: number;
  readonly perSecond: number;
  /** Addresses that are remembered, at most; at least half as many of those that failed last are. */
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
  // Two generations. To move each address to the end of one Map would be slow: V8 keeps what was deleted from a Map in
  // its place for a while, so that an address which fails again and again would be looked up among all its remains.
  #newer = new Map<string, Bucket>();
  #older = new Map<string, Bucket>();

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(limits: AttemptLimits = FAILED_ATTEMPTS, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#newer.size + this.#older.size;
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

  /** The bucket of a network, with what it has gained by now. */
  #take(network: string): Bucket {
    const { burst, perSecond } = this.#limits;
    const now = this.#now();
    const bucket = this.#newer.get(network) ?? this.#renew(network, now);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    return bucket;
  }

  /** Brings a network into the newer generation; once that is full, it is the older one, which is forgotten. */
  #renew(network: string, now: number): Bucket {
    const { burst, addresses } = this.#limits;
    const bucket = this.#older.get(network) ?? { tokens: burst, at: now, unlogged: 0 };
    this.#older.delete(network);
    if (this.#newer.size >= addresses / 2) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(network, bucket);
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
