import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { Store } from '../../../src/core/store.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { newClient } from '../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { entryItem } from '../../../src/engines/dynamodb/log/entry-item.ts';
import type { LogChange, LogEntry } from '../../../src/engines/dynamodb/log/log-entry.ts';
import { entriesAfter } from '../../../src/engines/dynamodb/log/log-reader.ts';
import { readView } from '../../../src/engines/dynamodb/log/opening.ts';
import type { TableClient } from '../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';
import type { LedgerSnapshot } from '../ledgers/dense-rows.ts';
import type { Counters } from '../engines/ledger-model.ts';

/** Runs work on the table of a ledger, past its servers. */
export async function withTable<Result>(
  ledger: string,
  work: (table: Table, client: TableClient) => Promise<Result>,
): Promise<Result> {
  const url = parseDynamodbUrl(ledger);
  const client = newClient(url);
  try {
    return await work(new Table(client, url.table), client);
  } finally {
    client.destroy();
  }
}

/** A change that changes nothing but what is given. */
export type PartialChange = Partial<LogChange>;

/** Appends an entry past the servers, which find their next put taken, and follow. */
export async function append(table: Table, change: PartialChange): Promise<void> {
  const { head, lastOrderId, lastCreateTimeMs } = await readView(table, table.name);
  const writer = { server: 'test', indexedTo: 0, putMs: 0, lostRaces: 0 };
  const nothing = { stores: [], created: new Set<bigint>(), allocations: [], losses: [], isMoving: false };
  const entry: LogEntry = {
    ...nothing,
    movedTo: undefined,
    lastOrderId,
    createTimeMs: lastCreateTimeMs,
    ...change,
    ...writer,
    position: head.position + 1,
    previous: head.batchId,
    batchId: crypto.randomUUID(),
  };
  if (await table.putNew(entryItem(entry))) throw new Error(`somebody else has put entry ${entry.position}`);
}

/** Sets counters as if they had been reached. */
export async function setCounters(table: Table, counters: Counters): Promise<void> {
  const { lastOrderId, lastCreateTimeMs, lastNumber } = counters;
  const stores: Store[] = lastNumber ? [{ ...DEFAULT_STORE, ...lastNumber, createTimeMs: 0 }] : [];
  await append(table, {
    ...(lastOrderId !== undefined && { lastOrderId }),
    ...(lastCreateTimeMs !== undefined && { createTimeMs: lastCreateTimeMs }),
    stores,
    created: new Set(stores.map(({ storeId }) => storeId)),
  });
}

/** Everything that the log says. */
export async function readLedger(table: Table): Promise<LedgerSnapshot<ReturnType<typeof toRow>>> {
  const { genesis, lastOrderId, lastCreateTimeMs } = await readView(table, table.name);
  const stores = new Map<bigint, Store>();
  const allocations: Allocation[] = [];
  for await (const entries of entriesAfter(table, 0)) {
    for (const entry of entries) {
      for (const store of entry.stores) stores.set(store.storeId, store);
      allocations.push(...entry.allocations);
    }
  }
  return {
    ledger: {
      first_order_id: genesis.firstOrderId,
      last_order_id: lastOrderId,
      last_create_time_ms: BigInt(lastCreateTimeMs),
    },
    stores: [...stores.values()].map(({ storeId, firstNumber, lastNumber }) => {
      return { store_id: storeId, first_number: firstNumber, last_number: lastNumber };
    }),
    rows: allocations.map(toRow),
  };
}

function toRow({ orderId, storeId, orderNumber, count, requestId, createTimeMs }: Allocation) {
  const pair = { order_id: orderId, order_number: orderNumber };
  return { ...pair, store_id: storeId, count, request_id: requestId, create_time_ms: BigInt(createTimeMs) };
}

/** Overwrites an entry as no server would. */
export async function overwrite(client: TableClient, table: Table, entry: LogEntry, body?: string): Promise<void> {
  const { attributes, partition, sort } = entryItem(entry);
  const values = Object.entries({ ...attributes, ...(body !== undefined && { body }) }).map(
    ([name, value]) => [name, typeof value === 'bigint' ? { N: String(value) } : { S: value }] as const,
  );
  const Item = { pk: { S: partition }, sk: { N: sort }, ...Object.fromEntries(values) };
  await client.send(new PutItemCommand({ TableName: table.name, Item }));
}
