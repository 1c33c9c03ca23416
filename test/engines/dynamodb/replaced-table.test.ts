import { BatchWriteItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { TABLE_DEFINITION } from '../../../src/engines/dynamodb/table/table-definition.ts';
import type { TableClient } from '../../../src/engines/dynamodb/table/table.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { createTable, deleteTable } from '../../support/dynamodb/settled-tables.ts';

type Items = NonNullable<Awaited<ReturnType<typeof itemsOf>>>;

it.each(['idle', 'busy'])(
  'P9: an older copy in the place of the table is not numbered on by a server that is %s',
  async (state) => {
    const url = await newTableUrl();
    const { ledger, says } = await openWith(url);
    await allocate(ledger, 'before');
    const older = await withTable(url, (table, client) => itemsOf(client, table.name));
    await allocate(ledger, 'lost');
    const isBusy = state === 'busy';
    const busy = isBusy ? allocate(ledger, 'busy').catch(() => {}) : undefined;
    await withTable(url, (table, client) => replace(client, table.name, older));
    await busy;
    // Within the second that a proof is good for, a busy server may have put an entry that leads nowhere.
    await expect.poll(() => refusal(ledger.reads.end())).toMatchObject({ reason: 'LEDGER_REOPENING' });
    await says(/older copy or another ledger, and continuing would give numbers twice/);
    await expect(Promise.race([ledger.ready().then(() => 'open'), refusal(ledger.reads.end())])).resolves.not.toBe(
      'open',
    );
  },
);

it('P9: a deleted table is waited for, and the same one put back is served again', async () => {
  const url = await newTableUrl();
  const { ledger, says } = await openWith(url);
  await allocate(ledger, 'a');
  await ledger.indexed();
  const newest = await withTable(url, (table, client) => itemsOf(client, table.name));
  await withTable(url, (table, client) => deleteTable(client, table.name));
  await expect.poll(() => refusal(ledger.reads.end())).toMatchObject({ reason: 'LEDGER_REOPENING' });
  await says(/is gone; put that table back/);
  await withTable(url, (table, client) => fill(client, table.name, newest));
  await ledger.ready();
  expect(await allocate(ledger, 'a')).toMatchObject({ allocation: { orderId: 1n }, replayed: true });
  expect(await allocate(ledger, 'b')).toMatchObject({ allocation: { orderId: 2n }, replayed: false });
});

async function openWith(url: string) {
  const opened = await OpenedLedger.open(url);
  return { ledger: opened.ledger, says: (pattern: RegExp) => opened.says(pattern) };
}

async function allocate(ledger: OpenedLedger['ledger'], requestId: string) {
  await ledger.ready();
  const [outcome] = await ledger.commit([{ storeId: 7n, requestId, count: 1, caller: '' }]);
  return outcome;
}

function refusal(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'answered',
    (error: unknown) => error,
  );
}

async function itemsOf(client: TableClient, name: string) {
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: name, ConsistentRead: true }));
  return items;
}

async function replace(client: TableClient, name: string, items: Items): Promise<void> {
  await deleteTable(client, name);
  await fill(client, name, items);
}

async function fill(client: TableClient, name: string, items: Items): Promise<void> {
  await createTable(client, { TableName: name, ...TABLE_DEFINITION });
  const writes = items.map((Item) => ({ PutRequest: { Item } }));
  await client.send(new BatchWriteItemCommand({ RequestItems: { [name]: writes } }));
}
