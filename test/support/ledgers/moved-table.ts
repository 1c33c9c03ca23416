import { onTestFinished } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { Store } from '../../../src/core/store.ts';
import { newClient } from '../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import type { LogEntry } from '../../../src/engines/dynamodb/log/log-entry.ts';
import { entriesAfter } from '../../../src/engines/dynamodb/log/log-reader.ts';
import { readView } from '../../../src/engines/dynamodb/log/opening.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';
import type { LedgerText } from './moved-ledger.ts';

/** The table at this URL, past its servers. */
export function tableAt(url: string): Table {
  const parsed = parseDynamodbUrl(url);
  const client = newClient(parsed);
  onTestFinished(() => client.destroy());
  return new Table(client, parsed.table);
}

/** The whole log after its genesis. */
export async function logOf(url: string): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const page of entriesAfter(tableAt(url), 0)) entries.push(...page);
  return entries;
}

/** Reads a table as its log has it, not as its derived items do. */
export async function textOfTable(url: string): Promise<LedgerText> {
  const { genesis, lastOrderId, lastCreateTimeMs } = await readView(tableAt(url), url);
  const log = await logOf(url);
  const allocations = log.flatMap((entry) => entry.allocations);
  const stores = new Map<bigint, Store>();
  for (const entry of log) for (const store of entry.stores) stores.set(store.storeId, store);
  const losses = log.flatMap((entry) => entry.losses);
  return {
    ledger: [String([genesis.ledgerId, genesis.firstOrderId, lastOrderId, lastCreateTimeMs])],
    allocations: allocations.map((allocation) => String(columnsOf(allocation))),
    callers: allocations.flatMap(({ orderId, caller }) => (caller === '' ? [] : [String([orderId, caller])])),
    stores: sorted(
      [...stores.values()].map((store) => [
        store.storeId,
        store.firstNumber,
        store.lastNumber,
        store.prefix,
        store.suffix,
        store.minDigits,
        store.createTimeMs,
      ]),
    ),
    losses: sorted(
      losses.map(({ storeId, first, last, declareTimeMs }) => [storeId ?? null, first, last, declareTimeMs]),
    ),
  };
}

function columnsOf(row: Allocation) {
  const { orderId, storeId, orderNumber, count, requestId, createTimeMs, prefix, suffix, minDigits } = row;
  return [orderId, storeId, orderNumber, count, requestId, createTimeMs, prefix, suffix, minDigits];
}

/** By their numbers, column after column; what has none comes first. */
function sorted(rows: readonly (readonly (bigint | number | string | null)[])[]): string[] {
  const compare = (a: (typeof rows)[number], b: (typeof rows)[number]) => {
    const i = a.findIndex((value, at) => value !== b[at]);
    return i < 0 ? 0 : (a[i] ?? -1n) < (b[i] ?? -1n) ? -1 : 1;
  };
  return rows.toSorted(compare).map(String);
}
