import { LedgerView } from '../../../src/engines/dynamodb/log/ledger-view.ts';
import { entryItem } from '../../../src/engines/dynamodb/log/entry-item.ts';
import { readView } from '../../../src/engines/dynamodb/log/opening.ts';
import type { Table } from '../../../src/engines/dynamodb/table/table.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import type { Counters } from '../engines/ledger-model.ts';

/** Sets the counters of a ledger that no server has open, by an entry of its log. */
export async function setCounters(table: Table, counters: Counters): Promise<void> {
  const view: LedgerView = await readView(table, table.name);
  const { lastOrderId = view.lastOrderId, lastCreateTimeMs = view.lastCreateTimeMs, lastNumber } = counters;
  const store = lastNumber && { ...DEFAULT_STORE, ...lastNumber, createTimeMs: 0 };
  await table.putNew(
    entryItem({
      position: view.head.position + 1,
      previous: view.head.batchId,
      batchId: crypto.randomUUID(),
      server: 'test',
      indexedTo: 0,
      putMs: 0,
      lostRaces: 0,
      lastOrderId,
      createTimeMs: lastCreateTimeMs,
      stores: store ? [store] : [],
      created: new Set(store ? [store.storeId] : []),
      allocations: [],
      losses: [],
      isMoving: false,
      movedTo: undefined,
    }),
  );
}
