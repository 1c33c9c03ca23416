import type { IndexFault } from '../../../core/verify/index-check.ts';
import { derivedItems } from '../index/derived-items.ts';
import type { LogEntry } from '../log/log-entry.ts';
import type { Item } from '../table/item.ts';
import { keyText } from '../table/item.ts';
import type { Table } from '../table/table.ts';

/** The indexes, by the first word of their partitions. */
const INDEXES: Readonly<Record<string, string>> = {
  req: 'of request_ids',
  store: 'of order_numbers',
  oid: 'of order_ids',
  stores: 'of stores',
  losses: 'of declared losses',
};

/** Items that no entry of the log leads to. */
export interface StrayItems {
  readonly stray: number;
  /** The keys of the first of them. */
  readonly strayKeys: readonly string[];
}

/** Compares the derived items of log entries with what the entries say. */
export class IndexComparison {
  readonly #table: Table;
  /** Behind it, items may be missing. */
  readonly #indexedTo: number;
  readonly #counts: boolean;
  /**
   * How many items were found that an entry leads to, by its position; only if they are counted, because it grows with
   * the log.
   */
  readonly itemsOf: number[] = [0];
  readonly #faults = new Map<string, { missing: number; different: number }>();

  constructor(table: Table, indexedTo: number, counts: boolean) {
    this.#table = table;
    this.#counts = counts;
    this.#indexedTo = indexedTo;
  }

  async compare(entries: readonly LogEntry[]): Promise<void> {
    const expected = entries.flatMap((entry) => {
      return derivedItems(entry).map((item) => ({ item, of: entry.position }));
    });
    if (this.#counts) for (const { position } of entries) this.itemsOf[position] = 0;
    const found = await this.#table.getAll(expected.map(({ item }) => item));
    for (const { item, of } of expected) {
      const there = found.get(keyText(item));
      if (!there && of <= this.#indexedTo) this.#faultsOf(item).missing++;
      if (there && !isSame(there, item)) this.#faultsOf(item).different++;
      // One that is missing must not make room for a stray one.
      if (this.#counts && there?.attributes['log'] === BigInt(of)) this.itemsOf[of]!++;
    }
  }

  faults(): readonly IndexFault[] {
    return [...this.#faults].map(([name, { missing, different }]) => ({
      name,
      fault: `lacks ${missing} items, and ${different} differ from the log`,
    }));
  }

  #faultsOf({ partition }: Item): { missing: number; different: number } {
    const name = INDEXES[partition.split('#')[0]!] ?? partition;
    const faults = this.#faults.get(name) ?? { missing: 0, different: 0 };
    this.#faults.set(name, faults);
    return faults;
  }
}

/** Whether a found item has what it should have. */
export function isSame({ attributes: found }: Item, { attributes }: Item): boolean {
  const names = Object.keys(attributes);
  return names.length === Object.keys(found).length && names.every((name) => found[name] === attributes[name]);
}
