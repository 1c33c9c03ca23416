import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { readCsv } from '../../../src/cli/import/import-csv.ts';
import { readDynamodb } from '../../../src/cli/import/import-dynamodb.ts';
import { ImportStaging } from '../../../src/engines/sqlite/operator/import-staging.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const GLOBAL = '{"Item":{"StoreID":{"N":"0"},"OrderID":{"N":"9000"}}}';
const STORE_11 = '{"Item":{"StoreID":{"N":"11"},"OrderNumber":{"N":"310"},"OrderID":{"N":"8120"}}}';
const STORE_12 = '{"Item":{"StoreID":{"N":"12"},"OrderNumber":{"N":"205"},"OrderID":{"N":"9000"}}}';
const WHOLE = [
  { storeId: 11n, nextNumber: 311n },
  { storeId: 12n, nextNumber: 206n },
];

const READING = { signal: new AbortController().signal, onProgress: () => {} };

/** What an import reads from a table: its next order_id and stores, or why it is refused. */
async function dynamodb(paths: string | readonly string[], isWhole = false) {
  const staging = newStaging();
  const nextOrderId = await readDynamodb([paths].flat(), { isWhole, stores: staging }, READING);
  return { nextOrderId, stores: [...staging] };
}

async function csv(content: string | Uint8Array) {
  const staging = newStaging();
  await readCsv(write('stores.csv', content), staging, READING);
  return [...staging];
}

function newStaging(): ImportStaging {
  const staging = new ImportStaging();
  onTestFinished(() => staging.close());
  return staging;
}

function write(name: string, content: string | Uint8Array, folder = testFolder()): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function lines(...items: readonly string[]): string {
  return `${items.join('\n')}\n`;
}

/** An export to S3 as DynamoDB lays it out, copied to a folder; returns the folder and its data files. */
function exported(data: Readonly<Record<string, readonly string[]>>, { total }: { total?: number } = {}) {
  const folder = join(testFolder(), 'AWSDynamoDB', '01700000000000-0a1b2c3d');
  mkdirSync(join(folder, 'data'), { recursive: true });
  const files = Object.entries(data).map(([name, items]) =>
    write(name, gzipSync(lines(...items)), join(folder, 'data')),
  );
  const listed = Object.entries(data).map(([name, { length }]) => ({
    itemCount: length,
    md5Checksum: 'sQMSpEILNgoQmarvDFonGQ==',
    etag: 'af83d6f217c19b8b0fff8023d8ca4716-1',
    dataFileS3Key: `AWSDynamoDB/${basename(folder)}/data/${name}`,
  }));
  write('manifest-files.json', lines(...listed.map((file) => JSON.stringify(file))), folder);
  const itemCount = total ?? listed.reduce((sum, file) => sum + file.itemCount, 0);
  write(
    'manifest-summary.json',
    JSON.stringify({ version: '2020-06-30', exportArn: 'arn', itemCount, outputFormat: 'DYNAMODB_JSON' }),
    folder,
  );
  return { folder, files };
}

it('P2: a partial table, in which no store has the last OrderID, is refused', async () => {
  const part = write('a.json', lines(GLOBAL, STORE_11));
  await expect(dynamodb(part)).rejects.toThrow(
    /line 1: no store has the last OrderID, 9000 \(the highest is 8120\).*its stores would restart.*--whole-table/,
  );
  const none = write('b.json', lines('{"StoreID":0,"OrderID":9000}', '{"StoreID":11,"OrderNumber":310}'));
  await expect(dynamodb(none)).rejects.toThrow(/no store has the last OrderID, 9000 \(none has an OrderID\)/);
  expect(await dynamodb(none, true)).toEqual({ nextOrderId: 9001n, stores: [WHOLE[0]] });
});

it('a table without any order has no last OrderID to look for', async () => {
  const table = write('a.json', lines('{"StoreID":0,"OrderID":0}', '{"StoreID":11,"OrderNumber":99}'));
  expect(await dynamodb(table)).toEqual({ nextOrderId: 1n, stores: [{ storeId: 11n, nextNumber: 100n }] });
});

it('several files, compressed or not, or a folder of them, are one table', async () => {
  const folder = testFolder();
  const files = [
    write('b.json', lines(STORE_12), folder),
    write('a.json.gz', gzipSync(lines(GLOBAL, STORE_11)), folder),
    write('c.json', '', folder),
  ];
  const table = { nextOrderId: 9001n, stores: WHOLE };
  expect(await dynamodb(files)).toEqual(table);
  expect(await dynamodb(folder)).toEqual(table);
  await expect(dynamodb([...files, files[0]!])).rejects.toThrow('a file is given twice');
  await expect(dynamodb(files.slice(1))).rejects.toThrow(/a\.json\.gz line 1: no store has the last OrderID/);
});

it('problems in several files name the file, and a store found in two of them is refused', async () => {
  const folder = testFolder();
  write('a.json', lines(GLOBAL, STORE_12), folder);
  write('b.json', lines(STORE_11, '{"StoreID":"x"}', STORE_12), folder);
  await expect(dynamodb(folder)).rejects.toThrow(
    /b\.json line 2: StoreID "x" is not valid[^]*b\.json line 3: StoreID 12 is already on a\.json line 2/,
  );
});

it.each(['the folder', 'the folder above', 'the data', 'its files'])(
  'an export given as %s must have everything its manifest lists',
  async (named) => {
    const { folder, files } = exported({ 'x.json.gz': [GLOBAL, STORE_11], 'y.json.gz': [STORE_12] });
    const paths = {
      'the folder': folder,
      'the folder above': join(folder, '../..'),
      'the data': join(folder, 'data'),
      'its files': files,
    }[named]!;
    expect(await dynamodb(paths)).toEqual({ nextOrderId: 9001n, stores: WHOLE });
    rmSync(files[1]!);
    await expect(dynamodb(named === 'its files' ? files.slice(0, 1) : paths)).rejects.toThrow(
      /only a part of the table: its manifest .*manifest-files\.json lists 2 data files; missing: y\.json: give all/,
    );
  },
);

it('P2: a partial export that has the last OrderID is refused if its manifest lists more', async () => {
  const { files } = exported({ 'x.json.gz': [GLOBAL, STORE_12], 'y.json.gz': [STORE_11] });
  await expect(dynamodb(files[0]!)).rejects.toThrow(/only a part of the table/);
  await expect(dynamodb(files[0]!, true)).rejects.toThrow(/only a part of the table/);
});

it('a manifest whose items are all present proves that the table is complete', async () => {
  const { folder } = exported({ 'x.json.gz': [GLOBAL, STORE_11] });
  expect(await dynamodb(folder)).toEqual({ nextOrderId: 9001n, stores: [WHOLE[0]] });
});

it('files decompressed in place still match the manifest', async () => {
  const { folder, files } = exported({ 'x.json.gz': [GLOBAL, STORE_11], 'y.json.gz': [STORE_12] });
  rmSync(files[0]!);
  write('x.json', lines(GLOBAL, STORE_11), join(folder, 'data'));
  expect(await dynamodb(folder)).toEqual({ nextOrderId: 9001n, stores: WHOLE });
});

it('an export whose item counts differ from its manifests is refused', async () => {
  const short = exported({ 'x.json.gz': [GLOBAL, STORE_11, STORE_12] });
  writeFileSync(short.files[0]!, gzipSync(lines(GLOBAL, STORE_12)));
  await expect(dynamodb(short.folder)).rejects.toThrow(/the file has 2 items, but its manifest counts 3: copy it/);
  const cut = exported({ 'x.json.gz': [GLOBAL, STORE_12] }, { total: 3 });
  await expect(dynamodb(cut.folder)).rejects.toThrow(
    /manifest-summary\.json counts 3 items, .* listed beside it have 2/,
  );
  writeFileSync(join(cut.folder, 'manifest-files.json'), 'no manifest');
  await expect(dynamodb(cut.folder)).rejects.toThrow(/manifest-files\.json is not JSON/);
});

it.each([
  ['cut off', gzipSync(lines(GLOBAL, STORE_12)).subarray(0, 60)],
  ['damaged', Buffer.concat([gzipSync(lines(GLOBAL, STORE_12)).subarray(0, 30), Buffer.alloc(200, 7)])],
])('a compressed file that is %s is refused in one line', async (_, content) => {
  await expect(dynamodb(write('a.json.gz', content))).rejects.toThrow(
    /^nothing was imported: .*cannot be decompressed/,
  );
});

it.each(['\u2028', '\u2029', '\u0085', '\r'])('%j inside a JSON string ends no line', async (character) => {
  const item = STORE_12.replace(
    '"StoreID"',
    `"Note":{"S":"one${character === '\r' ? '\\r' : character}two"},"StoreID"`,
  );
  expect(await dynamodb(write('a.json', lines(GLOBAL, STORE_11, item)))).toMatchObject({ stores: WHOLE });
});

it.each([
  ['5E+2', 501n],
  ['5e2', 501n],
  ['500.00', 501n],
  ['1.25E3', 1251n],
  ['1250E-1', 126n],
  ['9.007199254740993E15', 9007199254740994n],
])('a whole number written as %s is imported exactly', async (number, nextNumber) => {
  const item = STORE_12.replace('"205"', `"${number}"`);
  expect((await dynamodb(write('a.json', lines(GLOBAL, item)))).stores).toEqual([{ storeId: 12n, nextNumber }]);
  const plain = `{"StoreID":12,"OrderNumber":${number},"OrderID":9E3}`;
  expect((await dynamodb(write('b.json', lines('{"StoreID":0,"OrderID":9000}', plain)))).stores).toEqual([
    { storeId: 12n, nextNumber },
  ]);
});

it.each(['5E-1', '1.5', '1E19', '1E400', '-5E+2', 'E2', ''])('%j is not a whole number', async (number) => {
  const item = STORE_12.replace('"205"', `"${number}"`);
  await expect(dynamodb(write('a.json', lines(GLOBAL, item)))).rejects.toThrow(/line 2: OrderNumber .* is not valid/);
});

it.each([
  ['UTF-16 of PowerShell', utf16(lines(GLOBAL, STORE_12)), /is UTF-16, as PowerShell's > writes it: convert it first/],
  ['UTF-16, big-endian', utf16(lines(GLOBAL, STORE_12)).swap16(), /is UTF-16: convert it first/],
  [
    'a ZIP archive',
    Buffer.from('PK\u0003\u0004rest'),
    /is a ZIP archive, such as a spreadsheet workbook: save the sheet as CSV/,
  ],
])('%s is named, for both kinds of file', async (_, content, said) => {
  await expect(dynamodb(write('a.json', content))).rejects.toThrow(said);
  await expect(csv(content)).rejects.toThrow(said);
});

it('gzip after --csv and an export in the format Ion are named', async () => {
  await expect(csv(gzipSync('store_id,next_number\n7,1\n'))).rejects.toThrow(
    /stores\.csv is gzip: decompress it first/,
  );
  await expect(dynamodb(write('a.ion', '$ion_1_0 {Item:{StoreID:0.}}\n'))).rejects.toThrow(
    /in Amazon Ion format: export/,
  );
});

it('a line too long to be an item is refused before it fills the memory', async () => {
  const long = `{"Items":[${`${GLOBAL},`.repeat(100_000)}`;
  await expect(dynamodb(write('a.json', long))).rejects.toThrow(/jq -c '\.Items\[\]'/);
  await expect(dynamodb(write('b.json', lines(GLOBAL) + long))).rejects.toThrow(
    /is not JSON|a line of more than 4 MiB/,
  );
});

it('empty cells of a spreadsheet count neither as rows nor as values', async () => {
  expect(await csv('store_id,next_number,,\r\n7,500,,\r\n8,40\r\n,,,\r\n ,\r\n,\r\n')).toEqual([
    { storeId: 7n, nextNumber: 500n },
    { storeId: 8n, nextNumber: 40n },
  ]);
  await expect(csv('store_id,next_number\n7,\n,5\n')).rejects.toThrow(/line 2: next_number ""[^]*line 3: store_id ""/);
  await expect(csv('store_id,next_number\n7,5,x\n')).rejects.toThrow(/line 2: "7,5,x" has 3 values/);
  await expect(csv(',\n,\n')).rejects.toThrow(/the file is empty/);
});

function utf16(text: string): Buffer {
  return Buffer.from(`\uFEFF${text}`, 'utf16le');
}
