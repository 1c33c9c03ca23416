import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assertDense } from '../../../support/ledgers/density.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { orderNumbers } from '../../../support/processes/order-numbers-command.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const EXPORT = [
  '{"Item":{"StoreID":{"N":"0"},"OrderID":{"N":"48210"}}}',
  '{"Item":{"StoreID":{"N":"32913"},"OrderNumber":{"N":"105"},"OrderID":{"N":"48210"}}}',
];

/** Writes a file to import; returns its path and that of a ledger beside it. */
function files(text: string | readonly string[]) {
  const folder = testFolder();
  const source = join(folder, 'source');
  writeFileSync(source, typeof text === 'string' ? text : `${text.join('\n')}\n`);
  return { folder, source, ledger: join(folder, 'orders.db') };
}

function importCsv(source: string, ledger: string, ...flags: string[]) {
  return localOrderNumbers(['import', '--csv', source, '--next-order-id', '1000', '--ledger', ledger, ...flags]);
}

function importDynamodb(source: string, ledger: string, ...flags: string[]) {
  return localOrderNumbers(['import', '--dynamodb', source, '--ledger', ledger, ...flags]);
}

/** The first pair that a server on this ledger gives to this store. */
async function firstPair(ledger: string, storeId: bigint) {
  const server = new LocalServer(ledger);
  const client = connect(await server.serving());
  const { allocation } = await client.allocateOrder({ storeId, requestId: 'first' });
  client.close();
  expect(await server.stop()).toBe(0);
  return [allocation?.orderId, allocation?.orderNumber];
}

it('P1 P2: a server continues from the numbers of a CSV file', async () => {
  const { ledger, source } = files('\uFEFFstore_id,next_number\r\n"7",500\r\n\r\n 9007199254740993 , 31 \r\n');
  const dry = await importCsv(source, ledger);
  expect(dry).toMatchObject({ exitCode: 0, stderr: 'dry run: nothing was written; add --yes to import\n' });
  expect(dry.stdout).toMatch(/^ *7 +500 +new$/m);
  expect(existsSync(ledger)).toBe(false);

  const args = ['import', '--csv', source, '--next-order-id', '1000', '--ledger', ledger, '--yes'];
  const done = await orderNumbers([...args, '--json']);
  expect(done).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toMatchObject({ nextOrderId: '1000', stores: '2', imported: true });
  const again = await importCsv(source, ledger, '--yes');
  expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('nothing to do') });

  expect(await firstPair(ledger, 9007199254740993n)).toEqual([1000n, 31n]);
  expect(await firstPair(ledger, 7n)).toEqual([1001n, 500n]);
  expect(assertDense(ledger)).toHaveLength(2);
  expect(await importCsv(source, ledger, '--yes')).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: .*orders\.db has already given numbers and ends at order_id 1001; .*\n$/),
  });
});

it.each([
  ['as S3 exports it', EXPORT],
  ['without the wrapper', EXPORT.map((line) => line.replace('{"Item":', '').replace(/\}$/, ''))],
  [
    'in plain JSON',
    ['\uFEFF{"StoreID":32913,"OrderNumber":105,"OrderID":48210}\r', '', '{"StoreID":0,"OrderID":48210}\r'],
  ],
])('P1 P2: a server continues one above the numbers of the DynamoDB table, %s', async (_, lines) => {
  const { ledger, source } = files(lines);
  expect(await importDynamodb(source, ledger, '--yes')).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await firstPair(ledger, 32913n)).toEqual([48211n, 106n]);
});

it('plain JSON numbers above 2^53 are imported exactly', async () => {
  const { ledger, source } = files([
    '{"StoreID":0,"OrderID":9007199254740993}',
    '{"StoreID":9223372036854775807,"OrderNumber":9223372036854775806,"OrderID":9007199254740993}',
  ]);
  const { stdout } = await importDynamodb(source, ledger, '--json');
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toMatchObject([
    { storeId: '9223372036854775807', nextNumber: '9223372036854775807', change: 'new' },
    { nextOrderId: '9007199254740994', imported: false },
  ]);
});

it.each([
  ['no file at all', '', ['line 1: the file is empty']],
  ['another header', 'store,number\n1,2\n', ['line 1: the header is "store,number": it must be store_id,next_number']],
  [
    'bad rows',
    'store_id,next_number\n0,5\n7,\n8,1.5\n9,9223372036854775808\nabc,-1\n1,2,3\n',
    [
      'line 2: store_id "0" is not valid: it must be a whole number from 1 to 9223372036854775807',
      'line 3: next_number "" is not valid',
      'line 4: next_number "1.5"',
      'line 5: next_number "9223372036854775808"',
      'line 6: store_id "abc"',
      'line 6: next_number "-1"',
      'line 7: "1,2,3" has 3 values',
    ],
  ],
  ['a double', 'store_id,next_number\n7,1\n8,1\n07,1\n', ['line 4: store_id 7 is already on line 2: keep one of them']],
  ['a quote that is open', 'store_id,next_number\n7,"1\n', ['line']],
])('a CSV file with %s is refused as a whole, with line, value and remedy', async (_, text, problems) => {
  const { folder, ledger, source } = files(text);
  const { exitCode, stdout, stderr } = await importCsv(source, ledger, '--yes');
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  const lines = stderr.trim().split('\n');
  expect(lines.shift()).toBe(`error: nothing was imported: errors in ${source}`);
  expect(lines).toEqual(problems.map((problem) => expect.stringContaining(problem) as string));
  expect(readdirSync(folder)).toEqual(['source']);
});

it.each([
  [
    'no StoreID 0',
    [EXPORT[1]!],
    [
      'the item with StoreID 0, which has the last OrderID, is missing: check that this is the table of the sample; of an export, give',
    ],
  ],
  ['two of them', [EXPORT[0]!, EXPORT[0]!, EXPORT[1]!], ['line 2: StoreID 0 is already on line 1']],
  ['no OrderID', ['{"StoreID":0}'], ['line 1: OrderID nothing is not valid']],
  [
    'bad items',
    [EXPORT[0]!, 'StoreID', '[1]', '{"StoreID":{"S":"7"}}', '{"StoreID":7.5,"OrderNumber":1}', '{"StoreID":8}'],
    [
      'line 2: "StoreID" is not JSON',
      'line 3: "[1]" is not an item',
      'line 4: StoreID',
      'line 5: StoreID "7.5"',
      'line 6: OrderNumber',
    ],
  ],
  [
    'a sequence at its end',
    [...EXPORT, '{"StoreID":8,"OrderNumber":9223372036854775807}'],
    ['line 3: OrderNumber "9223372036854775807" is not valid: it must be a whole number from 0 to 9223372036854775806'],
  ],
  ['a double', [...EXPORT, EXPORT[1]!], ['line 3: StoreID 32913 is already on line 2']],
])('a DynamoDB table with %s is refused as a whole, with line, value and remedy', async (_, lines, problems) => {
  const { folder, ledger, source } = files(lines);
  const { exitCode, stderr } = await importDynamodb(source, ledger, '--yes');
  expect(exitCode).toBe(1);
  expect(stderr.trim().split('\n').slice(1)).toEqual(
    problems.map((problem) => expect.stringContaining(problem) as string),
  );
  expect(readdirSync(folder)).toEqual(['source']);
});

it('a long bad file has its first 20 problems reported', async () => {
  const { ledger, source } = files(['store_id,next_number', ...Array.from({ length: 50 }, () => '0,1')]);
  const { stderr } = await importCsv(source, ledger);
  expect(stderr.trim().split('\n')).toHaveLength(21);
  expect(stderr).toContain('reading stopped at 20');
});

it('P8: an import is refused while a server runs, and names the file', async () => {
  const { ledger, source } = files('store_id,next_number\n7,500\n');
  await new LocalServer(ledger).serving();
  const args = ['import', '--csv', source, '--next-order-id', '1000', '--ledger', ledger, '--yes'];
  expect(await orderNumbers(args)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^error: .*orders\.db is in use by another order-numbers process; stop .*\n$/),
  });
});

it.each([
  ['no file', [], /give one source to import: --csv <file> or --dynamodb <files...>/],
  ['two files', ['--csv', 'a', '--dynamodb', 'b'], /give one source/],
  ['no next order_id', ['--csv', 'a'], /--csv needs --next-order-id/],
  ['a next order_id of its own', ['--dynamodb', 'a', '--next-order-id', '5'], /--next-order-id goes with --csv/],
  ['a bad next order_id', ['--csv', 'a', '--next-order-id', '0'], /'0' is invalid.*from 1 to 9223372036854775807/],
  [
    'a ledger elsewhere',
    ['--csv', 'a', '--next-order-id', '5', '--ledger', 'postgres://x'],
    /Use the path of an SQLite/,
  ],
])('wrong usage, %s, prints one line and exits with 2', async (_, flags, remedy) => {
  const { exitCode, stdout, stderr } = await localOrderNumbers(['import', ...flags]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(remedy);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

it('a file that does not exist is refused; --help has examples', async () => {
  const { folder, ledger } = files('');
  expect(await importCsv(join(folder, 'none.csv'), ledger)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/none\.csv does not exist/),
  });
  expect((await importCsv(folder, ledger)).stderr).toMatch(/is not a file/);
  const help = await localOrderNumbers(['import', '--help']);
  expect(help).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('Examples:\n  order-numbers import --csv'),
  });
});

it("P1: a global counter below a store's OrderID is refused, because numbers would be allocated twice", async () => {
  const { source, ledger } = files([
    '{"Item":{"StoreID":{"N":"0"},"OrderID":{"N":"9000"}}}',
    '{"Item":{"StoreID":{"N":"7"},"OrderNumber":{"N":"2310"},"OrderID":{"N":"9120"}}}',
    '{"Item":{"StoreID":{"N":"8"},"OrderNumber":{"N":"2310"},"OrderID":{"N":"9000"}}}',
  ]);
  const { exitCode, stderr } = await importDynamodb(source, ledger, '--yes');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/line 2: OrderID 9120 is above the 9000 of StoreID 0.*stop the sample/);
  expect(existsSync(ledger)).toBe(false);
});

it.each([
  ['a scan on one line', `{"Items":[${EXPORT.join(',')}],"Count":2}`, /jq -c '\.Items\[\]'/],
  [
    'a scan on many lines',
    JSON.stringify({ Items: EXPORT.map((item) => JSON.parse(item) as object) }, null, 2),
    /jq -c/,
  ],
])('%s is recognized as not a file of items, in one line', async (_name, content, told) => {
  const { source, ledger } = files('');
  writeFileSync(source, content);
  const { exitCode, stderr } = await importDynamodb(source, ledger);
  expect(exitCode).toBe(1);
  expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(told)]);
});
