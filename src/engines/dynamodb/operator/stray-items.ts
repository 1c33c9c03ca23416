import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LedgerRefused } from '../../../core/errors.ts';
import { derivedItems } from '../index/derived-items.ts';
import { entriesAfter, readEntry } from '../log/log-reader.ts';
import { keyText } from '../table/item.ts';
import { META } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import type { StrayItems } from '../verify/index-comparison.ts';
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
  /** How many items the entries that were read have, by their positions; is counted down, because it may be long. */
  readonly itemsOf: number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: string, done: number, all: number) => void;
}

/**
 * Counts the items that no entry of the log leads to, and names the first ones. Each item says from which entry it was
 * made; only if more items name an entry than it has, they are compared one by one. Rejects with LedgerRefused if the
 * log has an entry behind a hole.
 */
export async function findStrayItems(search: Search): Promise<StrayItems> {
  const { itemsOf: left } = search;
  const end = left.length;
  let all = end;
  for (const items of left) all += items;
  /** Items that name entries added meanwhile, by their positions. */
  const newer = new Map<number, number>();
  let lastEntry = 0;
  const strays = new Strays();
  const at = (done: number) => search.onProgress?.('searching stray items', Math.min(done, all), all);
  await eachItem(search, at, (item) => {
    const { log } = item;
    const entry = /^log#(\d+)$/.exec(item.partition)?.[1];
    if (entry !== undefined && item.sort === '0') lastEntry = Math.max(lastEntry, Number(entry));
    else if (log !== undefined && log >= end) newer.set(log, (newer.get(log) ?? 0) + 1);
    else if (log !== undefined && log >= 1) left[log]!--;
    else if (item.partition !== META.partition) strays.add(item);
  });
  const ofNewer = await itemsOfNewer(search, lastEntry);
  const positions = new Set<number>();
  for (let position = 1; position < end; position++) if (left[position]! < 0) positions.add(position);
  for (const [position, items] of newer) if (items > (ofNewer[position - end] ?? 0)) positions.add(position);
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
    signal?.throwIfAborted();
    items.forEach(visit);
    done += items.length;
    onProgress(done);
  }
}

/**
 * How many items the entries added meanwhile lead to, in order. An entry was written after all before it, and before
 * its items, so they have to reach the last one that was seen.
 */
async function itemsOfNewer({ table, name, itemsOf }: Search, lastEntry: number): Promise<number[]> {
  const newer: number[] = [];
  for await (const entries of entriesAfter(table, itemsOf.length - 1)) {
    for (const entry of entries) newer.push(derivedItems(entry).length);
  }
  const end = itemsOf.length - 1 + newer.length;
  if (lastEntry <= end) return newer;
  throw new LedgerRefused(`${name} is damaged: its log lacks entry ${end + 1}, but has entry ${lastEntry}`);
}

class Strays implements StrayItems {
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
