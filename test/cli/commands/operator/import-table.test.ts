import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { CountersImport } from '../../../../src/engines/dynamodb/operator/import-counters.ts';
import { SampleTable } from '../../../../src/engines/dynamodb/operator/sample-table.ts';
import { TABLE_DEFINITION } from '../../../../src/engines/dynamodb/table/table-definition.ts';
import { newTableUrl, startDynalite } from '../../../support/dynamodb/dynalite.ts';
import { failingEndpoint } from '../../../support/dynamodb/failing-endpoint.ts';
import { withTable } from '../../../support/dynamodb/log-access.ts';
import { RawTable } from '../../../support/dynamodb/raw-table.ts';
import { Sample } from '../../../support/dynamodb/sample.ts';
import { createTable } from '../../../support/dynamodb/settled-tables.ts';
import { whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { localOrderNumbers as orderNumbers } from '../../../support/processes/local-command.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** Up to order_id 5: store 7 has given 100 to 102, store 9007199254740993 has given 100 and 101. */
async function usedSample(): Promise<Sample> {
  const sample = await Sample.create();
  for (const storeId of [7n, 9007199254740993n, 7n, 7n, 9007199254740993n]) await sample.order(storeId);
  return sample;
}

function importFrom(sample: Sample, ledger: string, ...flags: string[]) {
  return orderNumbers(['import', '--dynamodb', sample.url, '--ledger', ledger, ...flags]);
}

/** What a server on the ledger gives next. */
function nextPairs(ledger: string, storeIds: readonly bigint[]) {
  return whileServed(ledger, async (client) => {
    const pairs: (readonly [bigint, bigint])[] = [];
    for (const storeId of storeIds) {
      const { allocation } = await client.allocate(storeId, 1, `next-${storeId}`);
      pairs.push([allocation.orderId, allocation.orderNumber]);
    }
    return pairs;
  });
}

it.each([
  ['a DynamoDB ledger', newTableUrl],
  ['an SQLite ledger', async () => join(testFolder(), 'orders.db')],
])('P1 P2: %s goes on from the table of the sample, and the sample does not', async (_, newLedger) => {
  const sample = await usedSample();
  const before = await sample.table.items();
  const ledger = await newLedger();
  const dry = await importFrom(sample, ledger);
  expect(dry).toMatchObject({
    exitCode: 0,
    stderr:
      'dry run: nothing was written; add --yes to import once the sample has stopped, and to take its right to count\n',
  });
  expect(dry.stdout).toMatch(/^ *7 +103 +new\n9007199254740993 +102 +new\n/m);
  expect(dry.stdout).toMatch(/^next_order_id +6$/m);
  expect(await sample.table.items()).toEqual(before);
  expect(await sample.order(7n)).toEqual([6n, 103n]);

  expect(await importFrom(sample, ledger, '--yes')).toMatchObject({
    exitCode: 0,
    stderr: '',
    stdout: expect.stringMatching(/^next_order_id +7\nstores +2 \(2 new, 0 changed\)$/m) as string,
  });
  // An instance that was forgotten: both of its updates fail, in either form, and so does a new store.
  const after = await sample.table.items();
  for (const update of [
    sample.order(7n),
    sample.order(8n),
    sample.addToAll(),
    sample.addToStore(7n, 7n),
    sample.addOne(7n),
  ]) {
    await expect(update).rejects.toMatchObject({ name: 'ValidationException' });
  }
  expect(await sample.table.items()).toEqual(after);

  expect(await importFrom(sample, ledger, '--yes')).toMatchObject({
    exitCode: 0,
    stderr: 'nothing to do: the ledger already has these counters\n',
  });
  expect(await nextPairs(ledger, [9007199254740993n, 7n, 8n])).toEqual([
    [7n, 102n],
    [8n, 104n],
    [9n, 100n],
  ]);
  expect(await orderNumbers(['verify', ledger])).toMatchObject({ exitCode: 0 });
  expect((await importFrom(sample, ledger, '--yes')).stderr).toMatch(/has already given numbers/);
  const other = join(testFolder(), 'other.db');
  expect(await importFrom(sample, other, '--yes')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(`was already imported into ${ledger}, and would be numbered twice`) as string,
  });
});

it('P2: a sample that still numbers is refused before anything is imported, and imported once it has stopped', async () => {
  const sample = await usedSample();
  const url = await newTableUrl();
  const table = new SampleTable(sample.url, url);
  const read = { nextOrderId: 6n, stores: [{ storeId: 7n, nextNumber: 102n }] };
  await expect(table.takeOver({ ...read, nextOrderId: 5n, stores: withSize(read.stores) }, () => {})).rejects.toThrow(
    /^nothing was imported: StoreID 0 of \S+ has changed since it was read, so the sample still numbers; stop it, and run/,
  );
  expect(await sample.addToAll()).toBe(6n);
  // An order whose first update is done, and its second one not yet.
  const counters = { nextOrderId: 7n, stores: withSize([{ storeId: 7n, nextNumber: 103n }]) };
  await sample.addToStore(7n, 6n);
  await expect(table.takeOver(counters, () => {})).rejects.toThrow(/^nothing was imported: StoreID 7 of/);
  // And one whose second update began a store that was not there when the table was read.
  await sample.addToStore(8n, 6n);
  const stores = [
    { storeId: 7n, nextNumber: 104n },
    { storeId: 9007199254740993n, nextNumber: 102n },
  ];
  await expect(table.takeOver({ ...counters, stores: withSize(stores) }, () => {})).rejects.toThrow(
    /^nothing was imported: StoreID 8 of/,
  );
  table.close();
  expect(await importFrom(sample, url, '--yes')).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await nextPairs(url, [8n, 7n])).toEqual([
    [7n, 101n],
    [8n, 104n],
  ]);
});

function withSize<Each>(list: readonly Each[]): Iterable<Each> & { readonly size: number } {
  return new Set(list);
}

it('a table that has a ledger is refused, and the sample goes on', async () => {
  const sample = await usedSample();
  const url = await newTableUrl();
  await whileServed(url, async () => {});
  expect(await importFrom(sample, url, '--yes')).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: dynamodb:\S+ has a ledger of its own, which begins at order_id 1; only/),
  });
  expect(await sample.order(7n)).toEqual([6n, 103n]);
});

it.each([
  [
    'no table',
    async () => newTableUrl(),
    /^error: nothing was imported: the table \S+ does not exist; check the name of the table, and its region\n$/,
  ],
  [
    'an empty table',
    async () => (await Sample.create()).url,
    /^error: nothing was imported: errors in dynamodb:\S+: it has no item: check that this is the table of the sample\n$/,
  ],
  [
    'a table that it may not read',
    async () =>
      `dynamodb://sample?region=eu-central-1&endpoint=${await failingEndpoint('AccessDeniedException', 'no')}`,
    /^error: nothing was imported: the table \S+ cannot be used \(no\); give the credentials of a role that may use the table/,
  ],
])('an import from %s is refused, with what to do', async (_, newSource, message) => {
  const { exitCode, stderr } = await orderNumbers(['import', '--dynamodb', await newSource()]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(message);
});

it('a sample that is named as the ledger, too, is refused, with what to do', async () => {
  const sample = await usedSample();
  expect((await importFrom(sample, sample.url, '--yes')).stderr).toMatch(
    /^error: cannot import into dynamodb:.*; it may be a table of another program: check the name of the table/,
  );
  expect(await sample.order(7n)).toEqual([6n, 103n]);
});

it('a table that may not be created is refused, and the sample goes on', async () => {
  const sample = await usedSample();
  const endpoint = await failingEndpoint('ResourceNotFoundException', 'no such table');
  const missing = `dynamodb://orders?region=eu-central-1&endpoint=${endpoint}`;
  expect(await importFrom(sample, missing, '--yes')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(
      /^error: cannot import into dynamodb:\S+: no such table; check the name of the table, and its region\n$/,
    ) as string,
  });
  expect(await sample.order(7n)).toEqual([6n, 103n]);
});

it('P1 P2: an import that was interrupted numbers nothing, and is finished by the same command', async () => {
  const url = await newTableUrl();
  const stores = Array.from({ length: 625 }, (_, i) => ({ storeId: BigInt(i + 1), nextNumber: BigInt(i + 10) }));
  const counters = { nextOrderId: 48211n, stores: withSize(stores) };
  const all = new CountersImport(url);
  await all.createTable(() => {});
  const done = await all.write(counters, () => {});
  expect(done).toMatchObject({ nextOrderId: 48211n, stores: 625, storesMade: 625 });
  const table = await RawTable.of(url);
  const complete = await table.items((partition) => !partition.startsWith('log#'));

  // As it was after its second entry, whose items had not been written.
  await table.deleteAll(/^log#3$/);
  await table.deleteAll(/^(store|stores)#/);
  await table.change(/^meta$/, { indexed_to: { N: '1' } });
  expect(await refusedStart(url)).toMatch(/a ledger is being moved into/);
  expect(await all.plan(counters, () => {})).toMatchObject({ storesMade: 125, isNeeded: true });
  const other = { nextOrderId: 48211n, stores: withSize([{ storeId: 1n, nextNumber: 11n }, ...stores.slice(1)]) };
  await expect(all.plan(other, () => {})).rejects.toThrow(
    /has a ledger of its own, which has a store 1 that begins at 10/,
  );
  await all.write(counters, () => {});
  expect(await all.plan(counters, () => {})).toMatchObject({ storesMade: 0, isNeeded: false });
  all.close();
  // The items of the first entry went with the others; a server is not hurt, and reindex writes them.
  expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 0 });
  const items = await table.items((partition) => !partition.startsWith('log#'));
  expect(items.map(({ pk, sk }) => [pk, sk])).toEqual(complete.map(({ pk, sk }) => [pk, sk]));
  expect(await nextPairs(url, [625n, 1n])).toEqual([
    [48211n, 634n],
    [48212n, 10n],
  ]);
});

it('an import says what it waits for, if a table of that name is still being deleted', async () => {
  const url = new URL(await newTableUrl());
  url.searchParams.set('endpoint', await startDynalite(5000));
  const source = join(testFolder(), 'stores.csv');
  writeFileSync(source, 'store_id,next_number\n7,500\n');
  await withTable(url.href, async ({ name }, client) => {
    await createTable(client, { TableName: name, ...TABLE_DEFINITION });
    await client.send(new DeleteTableCommand({ TableName: name }));
  });
  const args = ['import', '--csv', source, '--next-order-id', '1000', '--ledger', url.href, '--yes'];
  expect(await orderNumbers(args)).toMatchObject({
    exitCode: 0,
    stderr: `the table of ${url.href} is DELETING; waiting until it is ready\n`,
  });
});

it('a sample without a counter over all stores is refused', async () => {
  const sample = await Sample.create();
  await sample.addOne(7n);
  expect((await importFrom(sample, await newTableUrl(), '--yes')).stderr).toMatch(
    /the item with StoreID 0, which has the last OrderID, is missing/,
  );
});

it('counters of a CSV file begin a DynamoDB ledger, too', async () => {
  const url = await newTableUrl();
  const source = join(testFolder(), 'stores.csv');
  writeFileSync(source, 'store_id,next_number\n7,500\n');
  const args = ['import', '--csv', source, '--next-order-id', '1000', '--ledger', url];
  expect(await orderNumbers([...args, '--yes'])).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await nextPairs(url, [7n, 8n])).toEqual([
    [1000n, 500n],
    [1001n, 100n],
  ]);
});

it.each([
  [['--dynamodb', 'dynamodb://sample', 'dynamodb://other'], 'give one table with --dynamodb, or files, but not both'],
  [['--dynamodb', 'dynamodb://sample', '--whole-table'], '--whole-table is for files: a table is read as a whole'],
  [['--dynamodb', 'dynamodb://sample?regin=x'], '--dynamodb: Unknown parameter regin; allowed: region, endpoint.'],
  [
    ['--dynamodb', 'x', '--ledger', 'postgres://h/db'],
    'and move that to PostgreSQL afterwards, with order-numbers migrate',
  ],
])('wrong usage: %j', async (args, message) => {
  const { exitCode, stdout, stderr } = await orderNumbers(['import', ...args]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain(message);
});
