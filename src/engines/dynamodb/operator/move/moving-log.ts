import { LedgerRefused } from '../../../../core/errors.ts';
import { derivedItems } from '../../index/derived-items.ts';
import { entryItem, toEntry } from '../../log/entry-item.ts';
import type { LedgerView } from '../../log/ledger-view.ts';
import type { LogChange, LogEntry } from '../../log/log-entry.ts';
import { entriesAfter, readMark } from '../../log/log-reader.ts';
import { BackOff } from '../../table/back-off.ts';
import { mayPass, NoAnswer } from '../../table/failures.ts';
import type { Item } from '../../table/item.ts';
import { optionalIntegerOf, textOf } from '../../table/item.ts';
import { inParallel } from '../../table/in-parallel.ts';
import { INDEXED_TO, META, TURNS_ASKED } from '../../table/keys.ts';
import type { Table } from '../../table/table.ts';

/** How long a write is repeated. */
const REPEAT_MS = 60_000;
/** Writes of derived items at once, and items of each. */
const WRITES_AT_ONCE = 16;
const ITEMS_PER_WRITE = 25;

/**
 * A log that an operator's command writes while no server numbers there. An entry is put once only, so whatever another
 * process writes in the meantime is noticed.
 */
export class MovingLog {
  readonly table: Table;
  readonly view: LedgerView;
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #writer = crypto.randomUUID();

  /** `view` is at the head of the log; `name` is without secrets. */
  constructor(table: Table, view: LedgerView, name: string, signal: AbortSignal) {
    this.table = table;
    this.view = view;
    this.#name = name;
    this.#signal = signal;
  }

  /** Durable when it resolves. Rejects with LedgerRefused if another process has added an entry. */
  async append(change: LogChange): Promise<void> {
    if (await this.appendUnlessTaken(change)) return;
    throw new LedgerRefused(`another order-numbers command is writing ${this.#name}; wait until it has ended`);
  }

  /** The same, but if the position has another process's entry, that is applied, and this resolves to false. */
  async appendUnlessTaken(change: LogChange): Promise<boolean> {
    const { head, indexedTo } = this.view;
    const entry: LogEntry = {
      ...change,
      position: head.position + 1,
      previous: head.batchId,
      batchId: crypto.randomUUID(),
      server: this.#writer,
      indexedTo,
      putMs: 0,
      lostRaces: 0,
    };
    const other = await this.put(entryItem(entry), entry.batchId);
    this.view.apply(other ? toEntry(other, entry.position) : entry);
    return !other;
  }

  /** Puts an item of the log until it is known which one has its position; resolves to that if it is another one. */
  async put(item: Item, batchId: string): Promise<Item | undefined> {
    const found = await this.#repeating(() => this.table.putNew(item));
    return found && textOf(found, 'batch') !== batchId ? found : undefined;
  }

  /** Applies what others have written. */
  async follow(): Promise<void> {
    for await (const entries of entriesAfter(this.table, this.view.head.position)) {
      for (const entry of entries) this.view.apply(entry);
    }
  }

  /** Has the servers pause, if there are any: they read it as they raise the mark, some ten times a second. */
  async askForRoom(): Promise<void> {
    const meta = await this.table.get(META);
    // A busy server would have written it, so no server is busy.
    if (!meta) return;
    const asked = optionalIntegerOf(meta, TURNS_ASKED);
    await this.#repeating(() => this.table.raise(META, TURNS_ASKED, asked, (asked ?? 0n) + 1n));
  }

  /** Writes the derived items of the whole log. */
  async index(): Promise<void> {
    const { head, tail, indexedTo } = this.view;
    const chunks: Item[][] = [];
    for (const entry of tail) {
      if (entry.position <= indexedTo) continue;
      const items = derivedItems(entry);
      for (let at = 0; at < items.length; at += ITEMS_PER_WRITE) chunks.push(items.slice(at, at + ITEMS_PER_WRITE));
    }
    await inParallel(WRITES_AT_ONCE, chunks, (items) => this.#repeating(() => this.table.putAll(items)));
    await this.#raise(BigInt(head.position));
    this.view.indexed(head.position);
  }

  /** Raises the mark of how far the derived items are complete. Servers may do that, too, and further. */
  async #raise(to: bigint): Promise<void> {
    let isDone = to === 0n;
    while (!isDone) {
      const mark = await readMark(this.table);
      isDone =
        (mark !== undefined && mark >= to) ||
        (await this.#repeating(() => this.table.raise(META, INDEXED_TO, mark, to))) !== undefined;
    }
  }

  /** For requests that do no harm when they are done twice. */
  async #repeating<Result>(request: () => Promise<Result>): Promise<Result> {
    const end = performance.now() + REPEAT_MS;
    for (const backOff = new BackOff(); ; await backOff.pause(this.#signal)) {
      this.#signal.throwIfAborted();
      try {
        return await request();
      } catch (error) {
        if (!mayPass(error)) throw error;
        if (performance.now() + backOff.nextMs > end) {
          throw new NoAnswer(`${this.#name} did not confirm a write within ${REPEAT_MS} ms`, { cause: error });
        }
      }
    }
  }
}
