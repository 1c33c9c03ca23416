import { setTimeout as delay } from 'node:timers/promises';
import { INDEXED_TO, META, TAKEN_OVER, TURNS_ASKED } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import type { Item } from '../table/item.ts';
import { optionalIntegerOf } from '../table/item.ts';
import type { LedgerView } from '../log/ledger-view.ts';
import type { LogEntry } from '../log/log-entry.ts';
import { Claim } from './claim.ts';
import { derivedItems } from './derived-items.ts';

/** The mark of how far the derived items are complete is raised at most this often: each time writes its item. */
const RAISE_MS = 100;
/** How long the entry of another server may be in sight before this one writes its items, too. */
const OTHERS_MS = 2000;
/** Items of another server that are written before this one checks again that it holds the claim. */
const OTHERS_ITEMS = 400;
/** The pause after a failure. */
const FAILURE_MS = 500;
/** Entries whose items may be missing, at most. */
const MAX_TAIL = 64;

export interface IndexerOptions {
  /** This process, as its entries name it. */
  readonly server: string;
  /** How far the derived items are complete, as the table says; undefined if it does not. */
  readonly mark: bigint | undefined;
  /** Rejects if another table is in the place of the one that has the log. */
  prove(): Promise<void>;
  /** Told of every write that failed and is repeated. While writes fail, nothing is numbered once the tail is full. */
  onFailure(why: unknown): void;
  /** Told how often commands have asked the servers for room, whenever that was read. */
  onTurnsAsked(times: bigint): void;
}

/** An entry whose items may be missing. */
interface Pending {
  readonly entry: LogEntry;
  readonly isOwn: boolean;
  readonly seenAt: number;
  state: 'missing' | 'being written' | 'written';
  /** Those of its items that were not written yet; undefined before the first attempt. */
  left?: Set<Item>;
}

/**
 * Writes the derived items of log entries, off the path of the answers, and raises the mark of how far they are
 * complete. The mark only passes an entry whose items are known to be written: by this server, or by the writer of the
 * entry, which says so in a later entry of its own.
 */
export class Indexer {
  readonly #table: Table;
  readonly #view: LedgerView;
  readonly #server: string;
  readonly #prove: IndexerOptions['prove'];
  readonly #onFailure: IndexerOptions['onFailure'];
  readonly #onTurnsAsked: IndexerOptions['onTurnsAsked'];
  /** Those above the mark, by their positions. */
  readonly #pending = new Map<number, Pending>();
  /** What the writers of entries have said. */
  readonly #saidIndexedTo = new Map<string, number>();
  /** The mark as it was read last; undefined if the table had none. */
  #mark: bigint | undefined;
  readonly #claim: Claim;
  #isTakingOver = false;
  #isRunning = false;
  readonly #closing = new AbortController();
  #changed = Promise.withResolvers<void>();
  #hurry = Promise.withResolvers<void>();

  constructor(table: Table, view: LedgerView, { server, mark, prove, onFailure, onTurnsAsked }: IndexerOptions) {
    this.#table = table;
    this.#prove = prove;
    this.#onFailure = onFailure;
    this.#onTurnsAsked = onTurnsAsked;
    this.#view = view;
    this.#server = server;
    this.#mark = mark;
    this.#claim = new Claim(table);
  }

  /** The view has applied an entry. What was there at the start is completed at once, whoever wrote it. */
  add(entry: LogEntry, isAtStart: boolean): void {
    const { position, server, indexedTo } = entry;
    const isOwn = server === this.#server || isAtStart;
    this.#saidIndexedTo.set(server, Math.max(indexedTo, this.#saidIndexedTo.get(server) ?? 0));
    if (position <= this.#view.indexedTo) return;
    this.#pending.set(position, { entry, isOwn, seenAt: performance.now(), state: 'missing' });
    if (isOwn) void this.#write(position);
    if (!this.#isRunning) void this.#run();
  }

  /** The entries of this process up to here have their items. */
  get ownIndexedTo(): number {
    for (const [position, { isOwn, state }] of this.#pending) if (isOwn && state !== 'written') return position - 1;
    return this.#view.head.position;
  }

  /**
   * Waits while too many entries lack their items, as long as the write is wanted. Resolves to whether there is room.
   */
  async hasRoom(isWanted: () => boolean): Promise<boolean> {
    while (!this.#isClosed && this.#view.head.position - this.#view.indexedTo >= MAX_TAIL) {
      if (!isWanted()) return false;
      await Promise.race([this.#changed.promise, delay(OTHERS_MS, undefined, { ref: false })]);
    }
    return true;
  }

  /** Resolves when the items of all entries so far are written and the mark is behind them, as far as that goes. */
  async idle(): Promise<void> {
    const end = this.#view.head.position;
    this.#hurry.resolve();
    while (!this.#isClosed && this.#view.indexedTo < end) await this.#changed.promise;
  }

  /** Resolves when the entries of this process have their items; then the mark is raised as far as it can be. */
  async ownIdle(): Promise<void> {
    const end = this.#view.head.position;
    while (!this.#isClosed && this.ownIndexedTo < end) await this.#changed.promise;
    await this.#raise().catch(() => false);
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  close(): void {
    this.#closing.abort();
    this.#claim.release();
    this.#tell();
  }

  /** Stops writing the items of another server once this one no longer holds the claim. */
  async #write(position: number): Promise<void> {
    const pending = this.#pending.get(position);
    if (!pending || pending.state !== 'missing') return;
    pending.state = 'being written';
    const left = (pending.left ??= new Set(derivedItems(pending.entry)));
    while (!this.#isClosed && this.#pending.has(position)) {
      try {
        await this.#prove();
        while (left.size > 0) {
          if (!pending.isOwn && !(this.#claim.isHeld && this.#pending.has(position))) {
            pending.state = 'missing';
            return;
          }
          const some = pending.isOwn ? [...left] : [...left].slice(0, OTHERS_ITEMS);
          const onWritten = (written: readonly Item[]) => written.forEach((item) => left.delete(item));
          await this.#table.putAll(some, onWritten, this.#closing.signal);
        }
        pending.state = 'written';
        this.#tell();
        return;
      } catch (error) {
        if (this.#isClosed) return;
        this.#onFailure(error);
        await delay(FAILURE_MS, undefined, { ref: false });
      }
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (!this.#isClosed && this.#pending.size > 0) {
      const wrote = await this.#raise().catch((error: unknown) => {
        this.#onFailure(error);
        return false;
      });
      if (!wrote && this.#isOverdue()) void this.#takeOver();
      this.#forget();
      if (this.#pending.size > 0) await this.#pause();
    }
    this.#isRunning = false;
  }

  /** Ends early if {@link idle} is called. */
  async #pause(): Promise<void> {
    await Promise.race([delay(RAISE_MS, undefined, { ref: false }), this.#hurry.promise]);
    this.#hurry = Promise.withResolvers();
  }

  /** Raises the mark to the end of the unbroken run of entries that have their items. */
  async #raise(): Promise<boolean> {
    let position = this.#view.indexedTo;
    while (this.#isComplete(position + 1)) position++;
    if (position === this.#view.indexedTo) return this.#isOverdue() && (await this.#readMark());
    const to = BigInt(position);
    if (this.#mark !== undefined && this.#mark >= to) return this.#readMark();
    await this.#prove();
    const meta = await this.#table.raise(META, INDEXED_TO, this.#mark, to);
    if (!meta) return this.#readMark();
    this.#saw(meta);
    return true;
  }

  /** Whether it has come further than this server knew. */
  async #readMark(): Promise<boolean> {
    const meta = await this.#table.get(META);
    const before = this.#view.indexedTo;
    this.#saw(meta);
    return this.#view.indexedTo > before;
  }

  #saw(meta: Item = { ...META, attributes: {} }): void {
    this.#mark = optionalIntegerOf(meta, INDEXED_TO);
    this.#view.indexed(Number(this.#mark ?? 0n));
    this.#claim.saw(optionalIntegerOf(meta, TAKEN_OVER));
    this.#onTurnsAsked(optionalIntegerOf(meta, TURNS_ASKED) ?? 0n);
  }

  #isComplete(position: number): boolean {
    const pending = this.#pending.get(position);
    if (!pending) return false;
    return pending.state === 'written' || (this.#saidIndexedTo.get(pending.entry.server) ?? 0) >= position;
  }

  #isOverdue(): boolean {
    const first = this.#pending.get(this.#view.indexedTo + 1);
    return first !== undefined && performance.now() - first.seenAt > OTHERS_MS;
  }

  /** Writes what other servers should have written, one entry after the other, unless a third one does. */
  async #takeOver(): Promise<void> {
    const seenBefore = performance.now() - OTHERS_MS;
    const late = [...this.#pending].filter(([, { seenAt, state }]) => state === 'missing' && seenAt < seenBefore);
    if (this.#isTakingOver || late.length === 0 || !this.#claim.isFree) return;
    this.#isTakingOver = true;
    try {
      if (!(await this.#claim.take())) return;
      for (const [position] of late) {
        if (!this.#isComplete(position)) await this.#write(position);
      }
    } catch (error) {
      this.#onFailure(error);
    } finally {
      this.#claim.release();
      this.#isTakingOver = false;
    }
  }

  #forget(): void {
    for (const position of this.#pending.keys()) if (position <= this.#view.indexedTo) this.#pending.delete(position);
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
