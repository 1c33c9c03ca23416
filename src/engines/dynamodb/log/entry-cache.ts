import type { LedgerView } from './ledger-view.ts';
import type { LogEntry } from './log-entry.ts';
import { readEntries } from './log-reader.ts';
import type { Table } from '../table/table.ts';

/** Entries that are kept: a list reads the same one for page after page. */
const MAX_ENTRIES = 32;

/** The entries that were read last. None ever changes while its table is the same, so they are kept for one view. */
export class EntryCache {
  readonly #table: Table;
  readonly #entries = new Map<number, LogEntry>();
  #view: LedgerView | undefined;

  constructor(table: Table) {
    this.#table = table;
  }

  /** The position of the entry that gave an order_id, if that is in the tail or was read lately. */
  positionOf(view: LedgerView, orderId: bigint): number | undefined {
    const isThere = (entry: LogEntry) => {
      const [first] = entry.allocations;
      return first !== undefined && first.orderId <= orderId && orderId <= entry.lastOrderId;
    };
    const found =
      view.tail.find(isThere) ?? (this.#view === view ? [...this.#entries.values()].find(isThere) : undefined);
    return found?.position;
  }

  /** Those of these positions that the log has, in order. */
  async read(view: LedgerView, positions: readonly number[]): Promise<readonly LogEntry[]> {
    if (this.#view !== view) this.#entries.clear();
    this.#view = view;
    const found = new Map<number, LogEntry>();
    for (const entry of view.tail) found.set(entry.position, entry);
    for (const position of positions) {
      const entry = this.#entries.get(position);
      if (entry) found.set(position, entry);
    }
    const others = positions.filter((position) => !found.has(position));
    for (const entry of await readEntries(this.#table, others)) {
      found.set(entry.position, entry);
      if (this.#view === view) this.#entries.set(entry.position, entry);
    }
    // Those that were read first leave.
    for (const position of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(position);
    }
    return positions.flatMap((position) => found.get(position) ?? []);
  }
}
