import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LedgerRefused } from '../../../core/errors.ts';
import { derivedItems } from '../index/derived-items.ts';
import { entriesAfter, readEntry } from '../log/log-reader.ts';
import { keyText } from '../table/item.ts';
import { META } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import type { ScannedItem } from './table-scan.ts';
import { scanTable } from './table-scan.ts';

/** Stray items that are named. */
const MAX_NAMED = 10;

/** What is searched, and for what. */
export interface Search {
  readonly client: DynamoDBClient;
  readonly table: Table;
  /** Without secrets. */
  readonly name: string;
  /** How many items the entries that were read lead to, by their positions. All of these are in the table. */
  readonly itemsOf: readonly number[];
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, done: number, all: number) => void;
}

/**
 * Counts the items that no entry of the log leads to, and names the first ones. Each item says from which entry it was
 * made; only where more items say so than an entry leads to, they are compared one by one. Rejects with LedgerRefused if
 * the log has an entry behind a hole.
 */
export async function findStrayItems(search: Search): Promise<{ stray: number; strayKeys: string[] }> {
  const { itemsOf } = search;
  const head = itemsOf.length - 1;
  const all = itemsOf.reduce((sum, items) => sum + items, itemsOf.length);
  const left = [...itemsOf];
  let lastEntry = 0;
  const strays = new Strays();
  const at = (done: number) => search.onProgress('searching stray items', Math.min(done, all), all);
  await eachItem(search, at, (item) => {
    const entry = /^log#(\d+)$/.exec(item.partition)?.[1];
    if (entry !== undefined && item.sort === '0') lastEntry = Math.max(lastEntry, Number(entry));
    else if (item.log === undefined || item.log < 1) {
      if (item.partition !== META.partition) strays.add(item);
      // Entries behind the head came while this ran.
    } else if (item.log <= head) left[item.log]!--;
  });
  await requireWholeLog(search, head, lastEntry);
  const positions = new Set(left.flatMap((items, position) => (items < 0 ? [position] : [])));
  if (positions.size === 0) return strays;
  const keys = new KeysOfEntries(search.table);
  const suspects: ScannedItem[] = [];
  await eachItem(search, at, (item) => void (positions.has(item.log ?? 0) && suspects.push(item)));
  for (const item of suspects) if (!(await keys.of(item.log!)).has(keyText(item))) strays.add(item);
  return strays;
}

async function eachItem(
  { client, table, signal }: Search,
  onProgress: (done: number) => void,
  visit: (item: ScannedItem) => void,
): Promise<void> {
  let done = 0;
  for await (const items of scanTable(client, table.name)) {
    signal.throwIfAborted();
    items.forEach(visit);
    done += items.length;
    onProgress(done);
  }
}

/** An entry was written after all before it, so those that were read now have to reach the last one that was seen. */
async function requireWholeLog({ table, name }: Search, head: number, lastEntry: number): Promise<void> {
  if (lastEntry <= head) return;
  let end = head;
  for await (const entries of entriesAfter(table, head)) end += entries.length;
  if (lastEntry <= end) return;
  throw new LedgerRefused(`${name} is damaged: its log lacks entry ${end + 1}, but has entry ${lastEntry}`);
}

class Strays {
  stray = 0;
  readonly strayKeys: string[] = [];

  add(item: ScannedItem): void {
    this.stray++;
    if (this.strayKeys.length < MAX_NAMED) this.strayKeys.push(keyText(item));
  }
}

/** The keys of the items that entries lead to. */
class KeysOfEntries {
  readonly #table: Table;
  readonly #keys = new Map<number, ReadonlySet<string>>();

  constructor(table: Table) {
    this.#table = table;
  }

  async of(position: number): Promise<ReadonlySet<string>> {
    const known = this.#keys.get(position);
    if (known) return known;
    const entry = await readEntry(this.#table, position);
    const keys = new Set(entry ? derivedItems(entry).map(keyText) : []);
    this.#keys.set(position, keys);
    return keys;
  }
}
