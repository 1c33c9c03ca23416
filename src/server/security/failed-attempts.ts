import { networkOf } from '../address.ts';
import { FAILED_ATTEMPTS } from '../limits.ts';

/** How many failed authentications one address may have. */
export interface AttemptLimits {
  readonly burst: number;
  readonly perSecond: number;
  /** The most addresses that are remembered. At least the half of them that failed most recently always is. */
  readonly addresses: number;
}

/** What to do about a failed authentication. */
export interface Attempt {
  /** Whether there were too many from its address: it is not logged, and its connection ends unless it is trusted. */
  readonly isOverLimit: boolean;
  /** Failures of the address that were not logged since the last one that was. */
  readonly unlogged: number;
  /** What one client can have many addresses of. */
  readonly network: string;
}

/** Where a connection records that it is trusted. */
const TRUSTED = Symbol('trusted');

interface Bucket {
  tokens: number;
  /** When `tokens` was last updated, in milliseconds. */
  at: number;
  unlogged: number;
}

/** A token bucket per address for failed authentications, in bounded memory. */
export class FailedAttempts {
  readonly #limits: AttemptLimits;
  readonly #now: () => number;
  // Two generations. Moving each address to the end of one Map would be slow: V8 keeps deleted entries of a Map for a
  // while, and a lookup of an address that fails again and again would have to pass all of its own.
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

  /** Counts a failure from this address, which is empty if it is unknown. */
  add(address: string): Attempt {
    const network = networkOf(address);
    const bucket = this.#take(network);
    if (bucket.tokens < 1) {
      bucket.unlogged++;
      return { isOverLimit: true, unlogged: 0, network };
    }
    bucket.tokens--;
    const { unlogged } = bucket;
    bucket.unlogged = 0;
    return { isOverLimit: false, unlogged, network };
  }

  /**
   * Call it for each success: a connection over which valid credentials came may be that of a gateway, whose other
   * callers did nothing wrong.
   */
  trust(connection: { [TRUSTED]?: true } & object): void {
    connection[TRUSTED] = true;
  }

  isTrusted(connection: { readonly [TRUSTED]?: true } & object): boolean {
    return connection[TRUSTED] ?? false;
  }

  /** The bucket of a network, refilled up to now. */
  #take(network: string): Bucket {
    const { burst, perSecond } = this.#limits;
    const now = this.#now();
    const bucket = this.#newer.get(network) ?? this.#renew(network, now);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    return bucket;
  }

  /** Moves a network into the newer generation. If that is full, it replaces the older one, which is forgotten. */
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
