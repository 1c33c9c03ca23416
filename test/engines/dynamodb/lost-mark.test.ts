import { BatchGetItemCommand } from '@aws-sdk/client-dynamodb';
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

const META = { pk: { S: 'meta' }, sk: { N: '0' } };
/** More entries than servers leave without their items. */
const LONG = 600;
const ITEMS_AT_ONCE = 25;
/** After so many a server stops numbering until some have their items. */
const FULL_TAIL = 64;

it('P5: a long log that does not say how far its items are complete is served once they are', async () => {
  const url = await newTableUrl();
  await (await OpenedLedger.open(url)).ledger.close();
  await withTable(url, (table) => lengthen(table, LONG));
  const table = await RawTable.of(url);
  const refusal =
    /the item meta of dynamodb:\S+ does not say how far its items are complete, .* order-numbers dynamodb reindex 'dynamodb:\S+', /;
  expect(await refusedStart(url)).toMatch(refusal);
  expect(await orderNumbers(['verify', url])).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(refusal) });
  let read = 0;
  const { ledger: refused } = new OpenedLedger(url, true, async (command) => void (read += entriesIn(command)));
  await expect(refused.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(LONG);
  await table.put({ ...META, taken_over: { N: '3' } });
  expect(await refusedStart(url)).toMatch(refusal);
  await table.put({ ...META, indexed_to: { N: '0' } });
  expect(await refusedStart(url)).toContain('says that its items are complete up to entry 0, and ');

  expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 0 });
  const { ledger } = await OpenedLedger.open(url);
  expect(await ledger.commit([order('r3'), order('new')])).toMatchObject([
    { allocation: { orderId: 3n }, replayed: true },
    { allocation: { orderId: BigInt(LONG + 1) }, replayed: false },
  ]);
});

it.each([{ N: '1.5' }, { N: '-1' }, { S: '2' }])(
  'a meta that says %s is deleted, and not the orders since',
  async (to) => {
    const url = await newTableUrl();
    const { ledger } = await OpenedLedger.open(url);
    await ledger.commit([order('first')]);
    await ledger.indexed();
    await ledger.close();
    const table = await RawTable.of(url);
    await table.change(/^meta$/, { indexed_to: to });
    const remedy = /item meta of the table .* delete the item meta, then run order-numbers dynamodb reindex/;
    expect(await refusedStart(url)).toMatch(remedy);
    for (const args of [
      ['verify', url],
      ['dynamodb', 'reindex', url],
    ]) {
      const { exitCode, stderr } = await orderNumbers(args);
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(remedy) });
      expect(stderr).not.toContain('restore the table');
    }
    await table.deleteAll(/^meta$/);
    expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 0 });
    const next = await OpenedLedger.open(url);
    expect(await next.ledger.commit([order('first')])).toMatchObject([{ allocation: { orderId: 1n }, replayed: true }]);
  },
);

it('a reindex that does not reach the end of the log says how far it came', async () => {
  const url = await newTableUrl();
  await (await OpenedLedger.open(url)).ledger.close();
  await withTable(url, (table) => lengthen(table, LONG));
  const table = await RawTable.of(url);
  await table.change(new RegExp(`^log#${LONG - 1}$`), { previous: { S: 'another' } });
  expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 1 });
  const [meta] = await table.items((partition) => partition === 'meta');
  expect(Number(meta?.['indexed_to']?.N)).toBeGreaterThan(0);
  expect(Number(meta?.['indexed_to']?.N)).toBeLessThan(LONG - 1);
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
  const items = Array.from({ length: count }, (_, i) => {
    const orderId = BigInt(i + 1);
    const pair = { orderId, orderNumber: orderId + 99n };
    const { prefix, suffix, minDigits } = DEFAULT_STORE;
    const entry: LogEntry = {
      position: i + 1,
      previous,
      batchId: crypto.randomUUID(),
      server: 'gone',
      indexedTo: 0,
      putMs: 1,
      lostRaces: 0,
      lastOrderId: orderId,
      createTimeMs: 1,
      stores: [{ ...DEFAULT_STORE, storeId: 7n, lastNumber: pair.orderNumber, createTimeMs: 1 }],
      created: new Set(i === 0 ? [7n] : []),
      allocations: [{ ...order(`r${orderId}`), ...pair, prefix, suffix, minDigits, createTimeMs: 1 }],
      losses: [],
      isMoving: false,
      movedTo: undefined,
    };
    previous = entry.batchId;
    return entryItem(entry);
  });
  // One after the other: a busy machine does not answer to all of them in time.
  for (let at = 0; at < items.length; at += ITEMS_AT_ONCE) await table.putAll(items.slice(at, at + ITEMS_AT_ONCE));
}

/** Log entries that a command reads together. */
function entriesIn(command: object): number {
  if (!(command instanceof BatchGetItemCommand)) return 0;
  const keys = Object.values(command.input.RequestItems ?? {}).flatMap(({ Keys = [] }) => Keys);
  return keys.filter(({ pk }) => pk?.S?.startsWith('log#')).length;
}

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
