import { expect, it } from 'vitest';
import { TABLE_DEFINITION } from '../../../../src/engines/dynamodb/table/table-definition.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { RawTable } from '../../../support/dynamodb/raw-table.ts';
import { createTable } from '../../../support/dynamodb/settled-tables.ts';
import { whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { localOrderNumbers as orderNumbers } from '../../../support/processes/local-command.ts';
import { atTerminal, pretendedTerminal } from '../../../support/processes/terminal.ts';

const TEMPLATE = `\
AWSTemplateFormatVersion: '2010-09-09'
Description: The table of an order-numbers ledger
Resources:
  Ledger:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: orders
      AttributeDefinitions:
        - AttributeName: pk
          AttributeType: 'S'
        - AttributeName: sk
          AttributeType: 'N'
      KeySchema:
        - AttributeName: pk
          KeyType: HASH
        - AttributeName: sk
          KeyType: RANGE
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: true
      PointInTimeRecoverySpecification:
        PointInTimeRecoveryEnabled: true
`;

/** Made by the first test that needs it; each has a copy of its items. */
let made: ReturnType<RawTable['items']> | undefined;

/** A ledger of five entries: two stores, a run, a change of settings. */
async function smallLedger(): Promise<{ url: string; table: RawTable }> {
  const items = await (made ??= makeSmallLedger());
  const url = await newTableUrl();
  const table = await RawTable.of(url);
  await createTable(table.client, { TableName: table.name, ...TABLE_DEFINITION });
  await Promise.all(items.map((item) => table.put(item)));
  return { url, table };
}

async function makeSmallLedger() {
  const url = await newTableUrl();
  await whileServed(url, async (client) => {
    await client.createStore({ storeId: 9n, prefix: 'W-' });
    await client.allocate(7n, 1, 'first');
    await client.allocate(7n, 3, 'run');
    await client.updateStore({ storeId: 9n, prefix: 'X-' }, 'prefix');
    await client.allocate(9n, 1, 'other');
  });
  // What the server had not indexed when it stopped.
  expect(await orderNumbers(['dynamodb', 'reindex', url])).toMatchObject({ exitCode: 0, stderr: '' });
  return (await RawTable.of(url)).items();
}

async function reindex(url: string) {
  const { exitCode, stdout, stderr } = await orderNumbers(['dynamodb', 'reindex', url, '--json']);
  return { exitCode, stderr, found: stdout === '' ? undefined : (JSON.parse(stdout) as object) };
}

it('print-table prints a template of the table that a server would create', async () => {
  expect(await orderNumbers(['dynamodb', 'print-table'])).toEqual({ exitCode: 0, stdout: TEMPLATE, stderr: '' });
  const { stdout } = await orderNumbers(['dynamodb', 'print-table', '--table', 'shop.orders-2', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    Resources: {
      Ledger: {
        DeletionPolicy: 'Retain',
        Properties: {
          TableName: 'shop.orders-2',
          ...TABLE_DEFINITION,
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      },
    },
  });
});

it.each([
  ['shop.orders-2', "'shop.orders-2'"],
  ['null', "'null'"],
  ['1e3', "'1e3'"],
  ['shop_orders', 'shop_orders'],
])('print-table: the name %s is text in YAML, too', async (name, written) => {
  const { stdout } = await orderNumbers(['dynamodb', 'print-table', '--table', name]);
  expect(stdout).toContain(`TableName: ${written}\n`);
});

it.each(['ab', 'orders?region=eu-central-1', 'a b c', ''])('print-table: the name %j is wrong usage', async (name) => {
  const { exitCode, stdout, stderr } = await orderNumbers(['dynamodb', 'print-table', `--table=${name}`]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain('Use a name such as orders: a table has 3 to 255 letters');
});

it('reindex writes what is missing or different, and nothing of the log', async () => {
  const { url, table } = await smallLedger();
  const before = await table.items();
  await table.deleteAll(/^req#7#run$/);
  await table.deleteAll(/^oid#/);
  await table.change(/^req#9#/, { order_number: { N: '77' } });
  await table.change(/^stores#/, { log: { N: '4' } });
  const { exitCode, stdout, stderr } = await orderNumbers(['dynamodb', 'reindex', url]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^log +5 entries, which lead to 13 items$/m);
  expect(stdout).toMatch(/^written +4 missing, 3 different, 0 of the newest entries$/m);
  expect(await table.items()).toEqual(before);
  expect(await reindex(url)).toMatchObject({
    exitCode: 0,
    stderr: '',
    found: { entries: 5, items: 13, missing: 0, different: 0, pending: 0, stray: 0, strayKeys: [] },
  });
});

it('reindex makes a whole ledger from its log alone', async () => {
  const { url, table } = await smallLedger();
  const before = await table.items();
  await table.deleteAll(/^(?!log#)/);
  expect(await reindex(url)).toMatchObject({ exitCode: 0, found: { missing: 0, pending: 13, different: 0, stray: 0 } });
  expect(await table.items()).toEqual(before);
  expect(await orderNumbers(['verify', url])).toMatchObject({ exitCode: 0 });
});

it('reindex names items that no log entry leads to, and leaves them', async () => {
  const { url, table } = await smallLedger();
  const [request] = await table.items((partition) => partition === 'req#7#first');
  await table.put({ ...request!, pk: { S: 'req#7#never' } });
  await table.put({ pk: { S: 'something else' }, sk: { N: '1' } });
  for (let run = 0; run < 2; run++) {
    const { exitCode, stderr, found } = await reindex(url);
    expect({ exitCode, found }).toMatchObject({ exitCode: 1, found: { missing: 0, different: 0, stray: 2 } });
    expect(stderr).toMatch(/^warning: no log entry leads to 2 items, such as [^]*; .* delete them unless/);
    expect(stderr).toContain('req#7#never 0');
    expect(stderr).toContain('something else 1');
  }
});

it('reindex runs beside servers, finds nothing wrong, and they go on numbering', async () => {
  const { url } = await smallLedger();
  await whileServed(url, async (client) => {
    const stop = new AbortController();
    const load = (async () => {
      for (let i = 0; !stop.signal.aborted; i++) await client.allocate(BigInt(i % 3) + 1n, 2, `load-${i}`);
    })();
    for (let run = 0; run < 3; run++) {
      const { exitCode, found } = await reindex(url);
      expect({ exitCode, found }).toMatchObject({ exitCode: 0, found: { missing: 0, different: 0, stray: 0 } });
    }
    stop.abort();
    await load;
    expect((await client.allocate(7n, 3, 'run')).replayed).toBe(true);
  });
  expect(await orderNumbers(['verify', url])).toMatchObject({ exitCode: 0 });
});

it.each([
  ['a hole', /^log#3$/, /is damaged: its log ends at entry 2, but items were written for entry 5; .*restore the table/],
  ['no end', /^log#5$/, /is damaged: its log ends at entry 4, but items were written for entry 5; .*restore the table/],
  ['no genesis', /^log#0$/, /^no ledger exists in dynamodb:\S+; check the name of the table/],
])('reindex refuses a log with %s', async (_, missing, message) => {
  const { url, table } = await smallLedger();
  await table.deleteAll(missing);
  const { exitCode, stderr, found } = await reindex(url);
  expect({ exitCode, found }).toEqual({ exitCode: 1, found: undefined });
  expect(JSON.parse(stderr)).toMatchObject({ error: { message: expect.stringMatching(message) as string } });
});

it('reindex refuses a hole in the log, even if nothing says how far it goes', async () => {
  const { url, table } = await smallLedger();
  await table.deleteAll(/^(log#3|meta)$/);
  const { exitCode, stderr } = await orderNumbers(['dynamodb', 'reindex', url]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^error: dynamodb:\S+ is damaged: its log lacks entry 3, but has entry 5\n$/);
});

it('reindex refuses a log whose entries do not follow each other', async () => {
  const { url, table } = await smallLedger();
  await table.change(/^log#3$/, { previous: { S: 'another' } });
  expect((await orderNumbers(['dynamodb', 'reindex', url])).stderr).toMatch(
    /is damaged: entry 3 of its log does not follow the one before it; /,
  );
});

it.each([
  ['a table that does not exist', (url: string) => url, /^error: no ledger exists in dynamodb:/],
  [
    'an endpoint where nothing listens',
    (url: string) => url.replace(/127.*$/, '127.0.0.1:1'),
    /^error: dynamodb:\S+ cannot be reindexed: .*ECONNREFUSED.*; check the network to it/,
  ],
])('reindex refuses %s', async (_, changed, message) => {
  const { exitCode, stdout, stderr } = await orderNumbers(['dynamodb', 'reindex', changed(await newTableUrl())]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(message);
});

it('reindex takes only the URL of a table', async () => {
  const { exitCode, stderr } = await orderNumbers(['dynamodb', 'reindex', 'data/orders.db']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('Use dynamodb://TABLE?region=eu-central-1');
});

it('reindex shows its progress at a terminal', async () => {
  const { url } = await smallLedger();
  const { said, exitCode } = await atTerminal(pretendedTerminal, ['dynamodb', 'reindex', url]);
  expect(exitCode).toBe(0);
  expect(said).toMatch(/comparing with the log \[=*\] 100%[^]*searching stray items \[/);
});
