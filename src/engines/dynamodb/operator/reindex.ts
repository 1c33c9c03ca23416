import { LedgerRefused } from '../../../core/errors.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { derivedItems } from '../index/derived-items.ts';
import { toGenesis } from '../log/entry-item.ts';
import type { LogEntry } from '../log/log-entry.ts';
import { entriesAfter, readMark } from '../log/log-reader.ts';
import { failureOf, reasonOf, remedyFor } from '../table/failures.ts';
import type { Item } from '../table/item.ts';
import { keyText } from '../table/item.ts';
import { INDEXED_TO, logKey, META } from '../table/keys.ts';
import { Table } from '../table/table.ts';
import type { StrayItems } from '../verify/index-comparison.ts';
import { isSame } from '../verify/index-comparison.ts';
import { findStrayItems } from './stray-items.ts';
import { requireScan, SCAN_ATTEMPTS } from './table-scan.ts';

/** Items that are compared at once: a few entries of one order each, or one large entry. */
const ITEMS_PER_STEP = 1000;

/** What a rebuilding of the derived items found and wrote. Stray items are left as they are. */
export interface Reindexed extends StrayItems {
  readonly ledgerId: string;
  /** Entries of the log, without its genesis. */
  readonly entries: number;
  /** The items that they lead to. */
  readonly items: number;
  /** The items that were written because they were missing. */
  readonly missing: number;
  /** The items that were written because they differed from the log. */
  readonly different: number;
  /** The items that were written because servers had not written them yet: nothing was wrong with them. */
  readonly pending: number;
}

/** How a long command is stopped, and what it tells meanwhile. */
export interface ReindexOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, done: number, all: number) => void;
}

/**
 * Derives the items of a ledger again from its log, and writes those that are missing or differ. The log is only read.
 * Servers may run meanwhile: the items are the same whichever process writes them. Rejects with LedgerRefused if the
 * log itself is damaged.
 */
export async function reindexTable(location: string, options: ReindexOptions): Promise<Reindexed> {
  const url = parseDynamodbUrl(location);
  const client = newClient(url);
  const scanner = newClient(url, SCAN_ATTEMPTS);
  const table = new Table(client, url.table);
  try {
    const { ledgerId } = toGenesis(await requireGenesis(table, url.name), url.name);
    await requireScan(scanner, url.table, url.name);
    const reindex = new Reindex(table, url.name, options);
    await reindex.rebuild(ledgerId);
    const { counts, itemsOf } = reindex;
    const stray = await findStrayItems({ client: scanner, table, name: url.name, itemsOf, ...options });
    return { ledgerId, ...counts, ...stray };
  } catch (error) {
    if (options.signal.aborted || error instanceof LedgerRefused) throw error;
    throw new LedgerRefused(`${url.name} cannot be reindexed: ${reasonOf(error)}; ${remedyFor(error)}`, {
      cause: error,
    });
  } finally {
    client.destroy();
    scanner.destroy();
  }
}

async function requireGenesis(table: Table, name: string): Promise<Item> {
  const first = await table.get(logKey(0)).catch((error: unknown) => {
    if (failureOf(error) === 'no table') return undefined;
    throw error;
  });
  if (first) return first;
  throw new LedgerRefused(`no ledger exists in ${name}; check the name of the table and its region`);
}

class Reindex {
  readonly #table: Table;
  readonly #name: string;
  readonly #options: ReindexOptions;
  readonly counts = { entries: 0, items: 0, missing: 0, different: 0, pending: 0 };
  /** How many items each entry leads to, by its position. */
  readonly itemsOf: number[] = [0];
  /** How far the derived items were complete when the reading began. */
  #indexedTo = 0;
  /** How far the table says so now, at least. */
  #mark = 0;

  constructor(table: Table, name: string, options: ReindexOptions) {
    this.#table = table;
    this.#name = name;
    this.#options = options;
  }

  async rebuild(ledgerId: string): Promise<void> {
    this.#indexedTo = this.#mark = Number((await readMark(this.#table)) ?? 0n);
    let previous = ledgerId;
    let step: LogEntry[] = [];
    let size = 0;
    for await (const entries of entriesAfter(this.#table, 0)) {
      for (const entry of entries) {
        if (entry.previous !== previous) {
          throw this.#damaged(`entry ${entry.position} of its log does not follow the one before it`);
        }
        previous = entry.batchId;
        step.push(entry);
        size += entry.allocations.length + entry.stores.length;
        if (size < ITEMS_PER_STEP) continue;
        await this.#complete(step);
        step = [];
        size = 0;
      }
    }
    await this.#complete(step);
    const { entries } = this.counts;
    if (this.#indexedTo <= entries) return;
    throw this.#damaged(`its log ends at entry ${entries}, but items were written for entry ${this.#indexedTo}`);
  }

  /** Writes what these entries lead to, as far as it is not there. */
  async #complete(entries: readonly LogEntry[]): Promise<void> {
    this.#options.signal.throwIfAborted();
    const expected = entries.flatMap((entry) => derivedItems(entry).map((item) => ({ item, of: entry.position })));
    const found = await this.#table.getAll(expected.map(({ item }) => item));
    const wrong = expected.filter(({ item, of }) => {
      const there = found.get(keyText(item));
      if (there && isSame(there, item)) return false;
      this.counts[there ? 'different' : of > this.#indexedTo ? 'pending' : 'missing']++;
      return true;
    });
    await this.#table.putAll(wrong.map(({ item }) => item));
    for (const { of } of expected) this.itemsOf[of] = (this.itemsOf[of] ?? 0) + 1;
    // An entry that leads to nothing ends a move.
    for (const { position } of entries) this.itemsOf[position] ??= 0;
    this.counts.items += expected.length;
    this.counts.entries += entries.length;
    await this.#raise();
    const { entries: done } = this.counts;
    this.#options.onProgress('comparing with the log', done, Math.max(done, this.#indexedTo));
  }

  /** The items of all entries so far are written now, which a server need not read again, even if this ends early. */
  async #raise(): Promise<void> {
    const { entries } = this.counts;
    while (this.#mark < entries) {
      this.#options.signal.throwIfAborted();
      const mark = await readMark(this.#table);
      this.#mark = Number(mark ?? 0n);
      if (this.#mark >= entries || (await this.#table.raise(META, INDEXED_TO, mark, BigInt(entries)))) return;
    }
  }

  #damaged(what: string): LedgerRefused {
    return new LedgerRefused(
      `${this.#name} is damaged: ${what}; its items can only be rebuilt from a whole log, so restore the table to a time ` +
        'before that',
    );
  }
}
