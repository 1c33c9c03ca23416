import type { Allocation } from '../../../src/client/index.ts';
import { isExpected, outcomeOf } from './outcome.ts';
import type { Pair } from './pair.ts';
import { isSame, lastNumber, lastOrderId, pairOf, textOf } from './pair.ts';
import { Watched } from './watched.ts';

/** What a caller asks for. Without a request_id: '', and nothing to retry with. */
export interface Asked {
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number;
}

/** One request of one client; of a combined call, each of its requests. Times are from performance.now(). */
export interface Call extends Asked {
  readonly client: string;
  readonly startMs: number;
  /** Undefined while it is under way, and of a call whose client died with it. */
  endMs: number | undefined;
  answer: Pair | undefined;
  replayed: boolean;
  /** A refusal that says that the call did nothing: its code and reason. */
  refusal: string | undefined;
}

/** What a reader asked for, and did not find. */
export interface NotFound {
  readonly by: string;
  readonly startMs: number;
  readonly key: Partial<Pick<Pair, 'orderId' | 'storeId' | 'orderNumber' | 'requestId'>>;
}

/** An answer that covers a sequence up to its end: of one store, or of all. */
export interface Covered {
  readonly by: string;
  readonly startMs: number;
  readonly storeId: bigint | undefined;
  /** The last number of the sequence that it knew. */
  readonly end: bigint;
}

/** The part of a sequence that a list asked for. */
export interface ListScope {
  readonly storeId?: bigint;
  /** Whether it went to the end of the ledger. Default: true. */
  readonly isWhole?: boolean;
}

/**
 * Everything that clients, observers and operators asked and were told, to be compared with the ledger by checkHistory().
 * What contradicts itself is noted at once.
 */
export class History {
  readonly calls: Call[] = [];
  acknowledged = 0;
  /** What was in the ledger before the first call. */
  readonly earlier: Pair[] = [];
  readonly watches: Watched[] = [];
  readonly notFound: NotFound[] = [];
  readonly covered: Covered[] = [];
  /** The allocations that observers saw, by order_id, and who saw each first. */
  readonly seen = new Map<bigint, { readonly by: string; readonly pair: Pair }>();
  /** Answers of observers and operators, by what was asked: how many were answered, and how many were left open. */
  readonly answers = new Map<string, { done: number; unknown: number }>();
  /** Answers that contradict each other or themselves, a sentence each. */
  readonly contradictions: string[] = [];

  /** A client sends a request. */
  begin(client: string, { storeId, requestId, count }: Asked, startMs = performance.now()): Call {
    const call: Call = {
      client,
      storeId,
      requestId,
      count,
      startMs,
      endMs: undefined,
      answer: undefined,
      replayed: false,
      refusal: undefined,
    };
    this.calls.push(call);
    return call;
  }

  answered(call: Call, pair: Pair, replayed: boolean, endMs = performance.now()): void {
    const { storeId, requestId, count } = call;
    call.endMs = endMs;
    // The same text twice would be kept twice.
    call.answer = pair.requestId === requestId ? { ...pair, requestId } : pair;
    call.replayed = replayed;
    this.acknowledged++;
    if (pair.storeId !== storeId || pair.count !== count || (requestId !== '' && pair.requestId !== requestId)) {
      this.contradict(`${nameOf(call)} was answered with another request's ${textOf(pair)}`);
    }
  }

  failed(call: Call, error: unknown, endMs = performance.now()): void {
    call.endMs = endMs;
    const { isDefinite, says } = outcomeOf(error);
    if (isDefinite) call.refusal = says;
  }

  /** A watch begins after this order_id; its steps go into what this returns. */
  watch(by: string, afterOrderId: bigint, storeId?: bigint): Watched {
    const watched = new Watched(by, afterOrderId, storeId);
    this.watches.push(watched);
    return watched;
  }

  /** A reader or a watcher saw an allocation, which must look the same to all, at any time. */
  saw(by: string, allocation: Allocation | Pair): void {
    const pair = 'createTime' in allocation ? pairOf(allocation) : allocation;
    const before = this.seen.get(pair.orderId);
    if (!before) this.seen.set(pair.orderId, { by, pair });
    else if (!isSame(before.pair, pair)) {
      this.contradict(`${by} saw ${textOf(pair)}, and ${before.by} saw ${textOf(before.pair)}`);
    }
  }

  /** A lookup that began then was told that this does not exist. */
  missed(by: string, startMs: number, key: NotFound['key']): void {
    this.notFound.push({ by, startMs, key });
  }

  /** A list that began then had these, oldest first. */
  listed(by: string, startMs: number, list: readonly Pair[], { storeId, isWhole = true }: ListScope = {}): void {
    let next: bigint | undefined;
    for (const pair of list) {
      const first = storeId === undefined ? pair.orderId : pair.orderNumber;
      if (next !== undefined && first !== next) {
        this.contradict(
          `${by} listed ${textOf(pair)} where ${storeId === undefined ? 'order_id' : 'number'} ${next} follows`,
        );
      }
      next = (storeId === undefined ? lastOrderId(pair) : lastNumber(pair)) + 1n;
      this.saw(by, pair);
    }
    if (isWhole) this.reached(by, startMs, (next ?? 1n) - 1n, storeId);
  }

  /** An answer to what was asked then knew a sequence up to this number: a backup, a verification, a store's counter. */
  reached(by: string, startMs: number, end: bigint, storeId?: bigint): void {
    this.covered.push({ by, startMs, storeId, end });
  }

  /**
   * Runs what an observer or an operator asks, and counts its answer; undefined if the outcome is unknown. A definite
   * failure is a contradiction, unless `mayBe` says that this one is an answer.
   */
  async ask<T>(what: string, run: () => Promise<T>, mayBe: (says: string) => boolean = () => false) {
    const counts = this.answers.get(what) ?? { done: 0, unknown: 0 };
    this.answers.set(what, counts);
    try {
      const answer = await run();
      counts.done++;
      return answer;
    } catch (error) {
      const { isDefinite, says } = outcomeOf(error);
      // A read certainly did nothing; what that leaves open is what is in the ledger.
      if (mayBe(says)) counts.done++;
      else if (!isDefinite || isExpected(says)) counts.unknown++;
      else this.contradict(`${what} was refused: ${says}`);
      return undefined;
    }
  }

  contradict(sentence: string): void {
    this.contradictions.push(sentence);
  }
}

/** Names a call in a sentence. */
export function nameOf({ client, storeId, requestId, count, startMs, endMs }: Call): string {
  const key = requestId === '' ? 'no request_id' : `request ${requestId}`;
  const run = count === 1 ? '' : `, ${count} numbers`;
  const times = `${startMs.toFixed(1)} to ${endMs === undefined ? '…' : endMs.toFixed(1)} ms`;
  return `${client}'s call (store ${storeId}, ${key}${run}, ${times})`;
}
