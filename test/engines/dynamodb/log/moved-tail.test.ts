import type { BatchGetItemCommandInput } from '@aws-sdk/client-dynamodb';
import { BatchGetItemCommand, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { entryItem, genesisItem } from '../../../../src/engines/dynamodb/log/entry-item.ts';
import { readView } from '../../../../src/engines/dynamodb/log/opening.ts';
import type { Item } from '../../../../src/engines/dynamodb/table/item.ts';
import { logKey } from '../../../../src/engines/dynamodb/table/keys.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

/** More than servers could leave without items, all in all. */
const ENTRIES = 200;
/** Of each entry: the bound of rows is passed before that of entries. */
const ROWS = 5000;

it('a log that was moved here and does not say how far its items are complete is not read into memory', async () => {
  let read = 0;
  const send = async (command: object) => {
    if (command instanceof GetItemCommand) {
      const isGenesis = command.input.Key?.['pk']?.S === 'log#0';
      return isGenesis
        ? { Item: valuesOf(genesisItem({ ledgerId: 'batch 0', firstOrderId: 1n, isMoving: true })) }
        : {};
    }
    if (!(command instanceof BatchGetItemCommand)) throw new Error('it writes');
    const there = positionsIn(command.input).filter((position) => position <= ENTRIES);
    read += there.length;
    return { Responses: { orders: there.map((position) => valuesOf(itemAt(position))) } };
  };
  const table = new Table({ send } as unknown as TableClient, 'orders');
  await expect(readView(table, 'dynamodb://orders')).rejects.toThrow(
    /^the item meta of dynamodb:\/\/orders does not say how far its items are complete, and at least 149 entries /,
  );
  expect(read).toBeLessThan(ENTRIES);
});

const style = { prefix: '', suffix: '', minDigits: 0 };
const MOVED = entryItem({
  position: 1,
  previous: 'batch 0',
  batchId: 'batch 1',
  server: 'a command',
  indexedTo: 0,
  putMs: 1,
  lostRaces: 0,
  lastOrderId: BigInt(ROWS),
  createTimeMs: 1,
  stores: [{ ...DEFAULT_STORE, storeId: 7n, lastNumber: BigInt(ROWS), createTimeMs: 1 }],
  created: new Set(),
  allocations: Array.from({ length: ROWS }, (_, i) => {
    const pair = { orderId: BigInt(i + 1), orderNumber: BigInt(i + 1) };
    return { storeId: 7n, requestId: `r${i}`, count: 1, caller: '', ...pair, ...style, createTimeMs: 1 };
  }),
  losses: [],
  isMoving: true,
  movedTo: undefined,
});

/** The same at another place of the log. */
function itemAt(position: number): Item {
  const place = {
    previous: `batch ${position - 1}`,
    batch: `batch ${position}`,
    last_order_id: BigInt(position * ROWS),
  };
  return { ...logKey(position), attributes: { ...MOVED.attributes, ...place } };
}

function positionsIn({ RequestItems }: BatchGetItemCommandInput): number[] {
  return RequestItems!['orders']!.Keys!.map(({ pk }) => Number(pk!.S!.replace('log#', '')));
}

function valuesOf({ partition, sort, attributes }: Item) {
  const values = Object.entries(attributes).map(
    ([name, value]) => [name, typeof value === 'bigint' ? { N: String(value) } : { S: value }] as const,
  );
  return { pk: { S: partition }, sk: { N: sort }, ...Object.fromEntries(values) };
}
