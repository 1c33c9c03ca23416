import { expect, it } from 'vitest';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { entryItem } from '../../../src/engines/dynamodb/log/entry-item.ts';
import type { LogEntry } from '../../../src/engines/dynamodb/log/log-entry.ts';
import { readView } from '../../../src/engines/dynamodb/log/opening.ts';
import type { Table } from '../../../src/engines/dynamodb/table/table.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { RawTable } from '../../support/dynamodb/raw-table.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';

/** More entries than servers leave without their items. */
const LONG = 600;
/** After so many a server stops numbering until some have their items. */
const FULL_TAIL = 64;

it('P5: a long log that does not say how far its items are complete is served once they are', async () => {
  const url = await newTableUrl();
  await (await OpenedLedger.open(url)).ledger.close();
  await withTable(url, (table) => lengthen(table, LONG));
  const table = await RawTable.of(url);
  const refusal =
    /nobody knows how far the items of dynamodb:\S+ are complete: its item meta is gone, .* order-numbers dynamodb reindex 'dynamodb:\S+', /;
  expect(await refusedStart(url)).toMatch(refusal);
  expect(await orderNumbers(['verify', url])).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(refusal) });
  await table.put({ pk: { S: 'meta' }, sk: { N: '0' }, indexed_to: { N: '0' } });
  expect(await refusedStart(url)).toContain('its item meta says entry 0');

  expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 0 });
  const { ledger } = await OpenedLedger.open(url);
  expect(await ledger.commit([order('r3'), order('new')])).toMatchObject([
    { allocation: { orderId: 3n }, replayed: true },
    { allocation: { orderId: BigInt(LONG + 1) }, replayed: false },
  ]);
});

it('a server that finds how far the items are complete deleted says it again, and numbers on', async () => {
  const url = await newTableUrl();
  const { ledger, said } = await OpenedLedger.open(url);
  await ledger.commit([order('first')]);
  await ledger.indexed();
  const table = await RawTable.of(url);
  await table.deleteAll(/^meta$/);
  for (let i = 0; i <= FULL_TAIL; i++) await ledger.commit([order(`${i}`)]);
  await ledger.indexed();
  expect(await table.items((partition) => partition === 'meta')).toMatchObject([
    { indexed_to: { N: `${FULL_TAIL + 2}` } },
  ]);
  expect(said).toEqual([]);
  const next = await OpenedLedger.open(url);
  expect(await next.ledger.commit([order('first')])).toMatchObject([{ allocation: { orderId: 1n }, replayed: true }]);
});

/** Entries of one order each, as a server writes them, without what follows from them. */
async function lengthen(table: Table, count: number): Promise<void> {
  const { genesis } = await readView(table, table.name);
  let previous = genesis.ledgerId;
  const entries = Array.from({ length: count }, (_, i): LogEntry => {
    const number = BigInt(i + 1);
    const { prefix, suffix, minDigits } = DEFAULT_STORE;
    const store = { ...DEFAULT_STORE, storeId: 7n, lastNumber: number + 99n, createTimeMs: 1 };
    const pair = { orderId: number, orderNumber: store.lastNumber };
    const entry = {
      position: i + 1,
      previous,
      batchId: crypto.randomUUID(),
      server: 'gone',
      indexedTo: 0,
      putMs: 1,
      lostRaces: 0,
      lastOrderId: number,
      createTimeMs: 1,
      stores: [store],
      created: new Set(i === 0 ? [7n] : []),
      allocations: [{ ...order(`r${number}`), ...pair, prefix, suffix, minDigits, createTimeMs: 1 }],
      losses: [],
      isMoving: false,
      movedTo: undefined,
    };
    previous = entry.batchId;
    return entry;
  });
  await table.putAll(entries.map(entryItem));
}

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
