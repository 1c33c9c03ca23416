import { LedgerRefused } from '../../../core/errors.ts';
import type { LogEntry } from './log-entry.ts';
import { toEntry } from './entry-item.ts';
import { keyText } from '../table/item.ts';
import { INDEXED_TO, logKey, META } from '../table/keys.ts';
import type { Table } from '../table/table.ts';

/** Entries that are read at once behind a known one: at first, because there are few, and at most. */
const FIRST_PAGE = 1;
const MAX_PAGE = 64;

/**
 * How far the derived items are complete, as the table says; undefined if it does not. Rejects with LedgerRefused if that is
 * no position: it leads nowhere, and the log is what it was.
 */
export async function readMark(table: Table): Promise<bigint | undefined> {
  const mark = (await table.get(META))?.attributes[INDEXED_TO];
  if (mark === undefined || (typeof mark === 'bigint' && mark >= 0n)) return mark;
  throw new LedgerRefused(
    `the item meta of the table ${table.name} is damaged (its indexed_to is ${mark}); delete the item meta, then run ` +
      'order-numbers dynamodb reindex, which makes it again from the log',
  );
}

/** The entry at a position above 0; undefined if the log ends before it. */
export async function readEntry(table: Table, position: number): Promise<LogEntry | undefined> {
  const item = await table.get(logKey(position));
  return item && toEntry(item, position);
}

/** Those of these positions that the log has, in order. */
export async function readEntries(table: Table, positions: readonly number[]): Promise<readonly LogEntry[]> {
  const items = await table.getAll(positions.map(logKey));
  return positions.flatMap((position) => {
    const item = items.get(keyText(logKey(position)));
    return item ? [toEntry(item, position)] : [];
  });
}

/** All entries behind a position, page by page, up to the first that is absent. */
export async function* entriesAfter(table: Table, position: number): AsyncGenerator<readonly LogEntry[]> {
  for (let size = FIRST_PAGE; ; size = Math.min(4 * size, MAX_PAGE)) {
    const positions = Array.from({ length: size }, (_, i) => position + 1 + i);
    const entries = await readEntries(table, positions);
    // A later one may have been written while its predecessor was read as absent.
    const end = positions.findIndex((each, i) => entries[i]?.position !== each);
    const unbroken = end < 0 ? entries : entries.slice(0, end);
    if (unbroken.length > 0) yield unbroken;
    if (unbroken.length < size) return;
    position += size;
  }
}
