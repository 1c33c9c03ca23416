import type { Allocation } from '../allocation.ts';
import { lastOrderIdOf } from '../allocation.ts';
import type { Ledger, LedgerReads } from '../ledger.ts';
import { settledWithin } from '../settled-within.ts';

/** Allocations read from history at once: small enough that an unread message takes little memory. */
const PAGE_ALLOCATIONS = 250;
/** Allocations kept for a watcher that cannot keep up. */
const MAX_KEPT = 1000;
/** Between two messages of live allocations to one watcher; allocations in between share the next message. */
const LIVE_INTERVAL_MS = 50;
/** A watcher without matches is told its cursor at least this often. */
const CURSOR_INTERVAL_MS = 2000;

/** What a watch needs of a ledger. */
export interface WatchedLedger extends Pick<Ledger, 'onCommitted'> {
  readonly reads: Pick<LedgerReads, 'end' | 'listAllocations'>;
}

/** Which allocations to watch. */
export interface WatchOptions {
  /** Those whose last order_id is above this; undefined means from now on. */
  readonly afterOrderId: bigint | undefined;
  /** Only this store's; undefined means all. */
  readonly storeId: bigint | undefined;
  /** Ends the watch without an error. */
  readonly signal: AbortSignal;
}

/** What a watcher gets: allocations in order_id order, perhaps none, and how far it has looked. */
export interface WatchStep {
  readonly allocations: readonly Allocation[];
  /** The last order_id looked at: resuming after it leaves no gap and repeats nothing. */
  readonly cursor: bigint;
}

/** A watcher that has caught up and gets what is committed from memory. */
interface Follower {
  readonly storeId: bigint | undefined;
  /** Allocations up to here are not for it. */
  readonly from: bigint;
  kept: Allocation[];
  /** It missed some, and has to read them from the ledger. */
  isBehind: boolean;
  wake(): void;
}

/**
 * Hands committed allocations to all watchers: history from the ledger, page by page, then live from
 * memory. A watcher pulls; a slow one keeps at most {@link MAX_KEPT} and then returns to reading
 * history, so that it delays no other.
 */
export class Watch {
  readonly #ledger: WatchedLedger;
  readonly #followers = new Set<Follower>();
  /** The end of the ledger as told to the followers. */
  #end = 0n;
  #watchers = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(ledger: WatchedLedger) {
    this.#ledger = ledger;
  }

  /** Ends with the signal only; throws what the ledger's reads throw. The first step comes at once. */
  async *watch(options: WatchOptions): AsyncGenerator<WatchStep> {
    // Before anything is read: what is committed afterwards is told. Only while there are watchers, because an engine
    // whose ledger others write, too, has to look for what they commit.
    if (this.#watchers++ === 0) {
      this.#unsubscribe = this.#ledger.onCommitted((lastOrderId, allocations) =>
        this.#publish(lastOrderId, allocations),
      );
    }
    try {
      yield* this.#follow(options);
    } finally {
      if (--this.#watchers === 0) this.#unsubscribe?.();
    }
  }

  async *#follow(options: WatchOptions): AsyncGenerator<WatchStep> {
    const { storeId, signal } = options;
    let cursor = options.afterOrderId ?? (await this.#readEnd());
    if (!signal.aborted) yield { allocations: [], cursor };
    while (!signal.aborted) {
      for await (const step of this.#history(cursor, storeId, signal)) {
        cursor = step.cursor;
        yield step;
      }
      for await (const step of this.#live(cursor, storeId, signal)) {
        cursor = step.cursor;
        yield step;
      }
    }
  }

  /** Page by page up to the end that the ledger has by then. */
  async *#history(cursor: bigint, storeId: bigint | undefined, signal: AbortSignal): AsyncGenerator<WatchStep> {
    let upToOrderId = await this.#readEnd();
    while (cursor < upToOrderId && !signal.aborted) {
      const range = { afterOrderId: cursor, upToOrderId, storeId, limit: PAGE_ALLOCATIONS };
      const allocations = await this.#ledger.reads.listAllocations(range);
      const last = allocations.at(-1);
      cursor = last && allocations.length === PAGE_ALLOCATIONS ? lastOrderIdOf(last) : upToOrderId;
      yield { allocations, cursor };
      upToOrderId = await this.#readEnd();
    }
  }

  /** What is committed from here on, until it misses something. */
  async *#live(cursor: bigint, storeId: bigint | undefined, signal: AbortSignal): AsyncGenerator<WatchStep> {
    // Nothing can be committed between this look and the registration: there is no await.
    if (cursor < this.#end) return;
    let news = Promise.withResolvers<void>();
    const follower: Follower = { storeId, from: cursor, kept: [], isBehind: false, wake: () => news.resolve() };
    let stopped = Promise.withResolvers<void>();
    const stop = () => {
      stopped.resolve();
      follower.wake();
    };
    signal.addEventListener('abort', stop);
    this.#followers.add(follower);
    try {
      let lastStep = 0;
      while (!signal.aborted) {
        // A new one for each step: a promise that stays open remembers everything that has ever waited for it.
        stopped = Promise.withResolvers();
        if (follower.kept.length === 0 && !follower.isBehind) {
          news = Promise.withResolvers();
          await settledWithin(CURSOR_INTERVAL_MS, news.promise);
        }
        await settledWithin(lastStep + LIVE_INTERVAL_MS - performance.now(), stopped.promise);
        if (follower.isBehind || signal.aborted) return;
        const allocations = follower.kept;
        follower.kept = [];
        if (allocations.length === 0 && this.#end <= cursor) continue;
        if (this.#end > cursor) cursor = this.#end;
        lastStep = performance.now();
        yield { allocations, cursor };
      }
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener('abort', stop);
    }
  }

  #publish(lastOrderId: bigint, allocations: readonly Allocation[]): void {
    if (lastOrderId <= this.#end) return;
    const [first] = allocations;
    const isWhole = first?.orderId === this.#end + 1n && lastOrderIdOf(allocations.at(-1)!) === lastOrderId;
    this.#end = lastOrderId;
    if (this.#followers.size === 0) return;
    const byStore = isWhole ? Map.groupBy(allocations, (allocation) => allocation.storeId) : undefined;
    for (const follower of this.#followers) {
      if (lastOrderId <= follower.from) continue;
      if (!byStore) {
        follower.isBehind = true;
        follower.wake();
        continue;
      }
      keep(follower, (follower.storeId === undefined ? allocations : byStore.get(follower.storeId)) ?? []);
    }
  }

  /** Read from the ledger, which may be ahead of what the followers were told. */
  async #readEnd(): Promise<bigint> {
    return (await this.#ledger.reads.end()).lastOrderId;
  }
}

function keep(follower: Follower, allocations: readonly Allocation[]): void {
  if (allocations.length === 0) return;
  if (follower.kept.length + allocations.length > MAX_KEPT) {
    follower.kept = [];
    follower.isBehind = true;
  } else {
    for (const allocation of allocations) if (lastOrderIdOf(allocation) > follower.from) follower.kept.push(allocation);
  }
  follower.wake();
}
