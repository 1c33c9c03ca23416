import { expect, it } from 'vitest';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { TABLE_DEFINITION } from '../../../../src/engines/dynamodb/table/table-definition.ts';
import { verifyTable } from '../../../../src/engines/dynamodb/operator/verify-table.ts';
import { readEntry } from '../../../../src/engines/dynamodb/log/log-reader.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { failingEndpoint } from '../../../support/dynamodb/failing-endpoint.ts';
import { append, overwrite, withTable } from '../../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../../support/dynamodb/opened-ledger.ts';
import { proxiedTable } from '../../../support/dynamodb/proxied-table.ts';
import { RawTable } from '../../../support/dynamodb/raw-table.ts';
import { createTable } from '../../../support/dynamodb/settled-tables.ts';
import { all, findingsOf } from '../../../support/ledgers/verified-ledger.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { until } from '../../../support/until.ts';

/** The items of a ledger that a server has written: each test gets a table with a copy of them. */
let written: Awaited<ReturnType<RawTable['items']>> | undefined;

/**
 * order_ids 1 to 6 and a loss of 7 to 9: store 7 has 100 (r0), 101 to 102 (r2) and 103 (r3), and store 8 has 100 (r1), 101 (r4)
 * and five changes of settings.
 */
async function newLedger(): Promise<{ url: string; table: RawTable }> {
  const url = await newTableUrl();
  const table = await RawTable.of(url);
  if (written) {
    await createTable(table.client, { TableName: table.name, ...TABLE_DEFINITION });
    await table.putAll(written);
  } else {
    await numberedByServer(url, table);
    written = await table.items();
  }
  return { url, table };
}

async function numberedByServer(url: string, table: RawTable): Promise<void> {
  const { ledger } = await OpenedLedger.open(url);
  const order = (storeId: bigint, requestId: string, count = 1) =>
    ledger.commit([{ storeId, requestId, count, caller: 'checkout' }]);
  await order(7n, 'r0');
  await order(8n, 'r1');
  await ledger.updateStore(8n, { prefix: 'W-' });
  await order(7n, 'r2', 2);
  await order(7n, 'r3');
  await order(8n, 'r4');
  // The ends of their keys are zeros, which DynamoDB does not keep.
  for (const suffix of ['a', 'b', 'c', 'd']) await ledger.updateStore(8n, { suffix });
  await ledger.close();
  const loss = { first: 7n, last: 9n, storeId: undefined, declareTimeMs: 5n };
  await withTable(url, (past) => append(past, { lastOrderId: 9n, losses: [loss] }));
  const { ledger: after } = await OpenedLedger.open(url);
  await until('its items are written', async () => {
    const [meta] = await table.items((partition) => partition === 'meta');
    return meta?.['indexed_to']?.N === '11';
  });
  await after.close();
}

function verdictOf(events: readonly VerifyEvent[]): VerifyEvent | undefined {
  return events.find(({ kind }) => kind === 'verdict');
}

function messagesOf(events: readonly VerifyEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'finding' ? [event.message] : []));
}

it('a ledger with a declared loss is good, as a whole and store by store', async () => {
  const { url } = await newLedger();
  const events = await all(verifyTable(url, undefined));
  expect(messagesOf(events)).toEqual([]);
  expect(verdictOf(events)).toMatchObject({ ok: true, rows: 5n, sequences: 3n, asOfOrderId: 9n });
  expect(verdictOf(await all(verifyTable(url, 8n)))).toMatchObject({ ok: true, rows: 2n });
  expect(await localOrderNumbers(['verify', url])).toMatchObject({ exitCode: 0, stderr: '' });
});

it.each([
  ['of request_ids', /^req#7#r2$/, { order_id: { N: '5' } }],
  ['of order_numbers', /^store#7$/, { last_number: { N: '99' } }],
  ['of order_ids', /^oid#0$/, { log: { N: '1' } }],
  ['of stores', /^stores#8$/, { log: { N: '9' } }],
  ['of declared losses', /^losses$/, { declare_time_ms: { N: '6' } }],
])('P1 P2 P5: items that are missing or damaged are found: the index %s', async (name, partition, changed) => {
  const { url, table } = await newLedger();
  const items = await table.items((each) => partition.test(each));
  await table.change(partition, changed);
  const damaged = messagesOf(await all(verifyTable(url, undefined)));
  const different = items.filter((item) => Object.entries(changed).some(([key, value]) => item[key]?.N !== value.N));
  expect(damaged).toContain(`the index ${name} lacks 0 items, and ${different.length} differ from the log`);

  await table.deleteAll(partition);
  const missing = await all(verifyTable(url, undefined));
  expect(messagesOf(missing)).toContain(`the index ${name} lacks ${items.length} items, and 0 differ from the log`);
  expect(verdictOf(missing)).toMatchObject({ ok: false });
  expect(await localOrderNumbers(['verify', url])).toMatchObject({ exitCode: 1 });
  // And mended.
  await localOrderNumbers(['dynamodb', 'reindex', url]);
  expect(verdictOf(await all(verifyTable(url, undefined)))).toMatchObject({ ok: true });
});

it.each([
  ['of an entry of the log', '2'],
  ['of an entry beyond the log', '99'],
])('P5: items of any index that no entry leads to, although they say to be %s, are found and named', async (_, log) => {
  const { url, table } = await newLedger();
  const keys = [
    ['req#7#never', '0'],
    ['store#8', '999'],
    ['oid#3', '3000001'],
    ['stores#3', '3'],
    ['losses', '7'],
    ['something else', '1'],
  ] as const;
  const numbers = {
    first_number: '1',
    last_number: '1',
    create_time_ms: '1',
    first: '1',
    last: '1',
    declare_time_ms: '1',
  };
  const values = Object.entries(numbers).map(([name, N]) => [name, { N }] as const);
  const attributes = { ...Object.fromEntries(values), prefix: { S: '' }, suffix: { S: '' }, min_digits: { N: '0' } };
  for (const [pk, sk] of keys) await table.put({ ...attributes, pk: { S: pk }, sk: { N: sk }, log: { N: log } });
  const { stderr, exitCode } = await localOrderNumbers(['dynamodb', 'reindex', url]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringContaining('no log entry leads to 6 items'),
  });
  const events = await all(verifyTable(url, undefined));
  const found = messagesOf(events).find((message) => message.includes('6 items that no log entry leads to, such as'));
  for (const [pk, sk] of keys) {
    expect(stderr).toContain(`${pk} ${sk}`);
    expect(found).toContain(`${pk} ${sk}`);
  }
  expect(verdictOf(events)).toMatchObject({ ok: false });
});

it('P5: an item that no entry leads to does not take the place of one that is missing', async () => {
  const { url, table } = await newLedger();
  const [lost] = await table.items((partition) => partition === 'req#7#r2');
  await table.delete(lost!);
  await table.put({ ...lost!, pk: { S: 'req#7#never' } });
  const messages = messagesOf(await all(verifyTable(url, undefined)));
  expect(messages).toContain('the index of request_ids lacks 1 items, and 0 differ from the log');
  expect(messages).toContainEqual(
    expect.stringContaining('has 1 items that no log entry leads to, such as req#7#never 0'),
  );
});

it('a role that may not scan the table is refused before the log is read', async () => {
  const { direct, url, proxy } = await proxiedTable();
  const { ledger } = await OpenedLedger.open(direct);
  await ledger.commit([{ storeId: 7n, requestId: 'r', count: 1, caller: '' }]);
  await ledger.indexed();
  await ledger.close();
  proxy.deny('Scan');
  expect(verdictOf(await all(verifyTable(url, 7n)))).toMatchObject({ ok: true });
  // Whoever reads the log says something else.
  await (await RawTable.of(direct)).change(/^log#1$/, { previous: { S: 'another' } });
  const refusal = /dynamodb:\S+ cannot be searched for items .*; give this role the right dynamodb:Scan/;
  await expect(all(verifyTable(url, undefined))).rejects.toThrow(refusal);
  expect(await localOrderNumbers(['dynamodb', 'reindex', url])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(refusal),
  });
});

it('P1: an entry of the log behind a hole is found, even if nothing says how far the log goes', async () => {
  const { url, table } = await newLedger();
  await table.deleteAll(/^(log#4|meta)$/);
  await expect(all(verifyTable(url, undefined))).rejects.toThrow(
    /is damaged: its log lacks entry 4, but has entry 11$/,
  );
});

it('what servers have not written yet is no fault', async () => {
  const { url, table } = await newLedger();
  await table.deleteAll(/^(?!log#)/);
  const events = await all(verifyTable(url, undefined));
  expect(messagesOf(events)).toEqual([]);
  expect(verdictOf(events)).toMatchObject({ ok: true, rows: 5n });
});

it.each([
  ['is missing', (table: RawTable) => table.deleteAll(/^log#4$/), 'its log lacks entry 4'],
  [
    'cannot be read',
    (table: RawTable) => table.change(/^log#4$/, { body: { S: '{"stores":[],"rows":"0,0,1,0 r"}' } }),
    'entry 4 of its log cannot be read',
  ],
  [
    'has no number',
    (table: RawTable) => table.change(/^log#4$/, { last_order_id: { S: 'four' } }),
    'entry 4 of its log cannot be read',
  ],
  [
    'is of another log',
    (table: RawTable) => table.change(/^log#4$/, { batch: { S: crypto.randomUUID() } }),
    'entry 5 of its log does not follow the one before it',
  ],
])('P1: an entry of the log that %s ends the verification, and is named', async (_, damage, message) => {
  const { url, table } = await newLedger();
  await damage(table);
  await expect(all(verifyTable(url, undefined))).rejects.toThrow(message);
  const { exitCode, stderr } = await localOrderNumbers(['verify', url]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(message);
});

it('P1 P2: numbers that an entry of the log skips or repeats are found', async () => {
  const { url } = await newLedger();
  await withTable(url, async (table, client) => {
    const entry = (await readEntry(table, 4))!;
    // Its run of two becomes one of one: a hole in both sequences, at their beginnings.
    const [run] = entry.allocations;
    await overwrite(client, table, { ...entry, allocations: [{ ...run!, count: 1 }] });
  });
  const findings = findingsOf(await all(verifyTable(url, undefined)));
  expect(findings).toContainEqual(['hole', undefined, 3n, 3n]);
  expect(findings).toContainEqual(['hole', 7n, 101n, 101n]);
});

it('a table without a ledger, and one that answers nothing, are named', async () => {
  const url = await newTableUrl();
  await expect(all(verifyTable(url, undefined))).rejects.toThrow(
    /^no ledger exists in dynamodb:\S+; check the name of/,
  );
  const endpoint = await failingEndpoint('AccessDeniedException', 'not authorized to perform: dynamodb:GetItem');
  const denied = `dynamodb://orders?region=eu-central-1&endpoint=${endpoint}`;
  await expect(all(verifyTable(denied, undefined))).rejects.toThrow(
    /^dynamodb:\S+ cannot be used \(not authorized.*\); give the credentials of/,
  );
});

it('P2: a listed store that has lost its item does not hide the stores behind it', async () => {
  const url = await newTableUrl();
  const { ledger } = await OpenedLedger.open(url);
  const stores = 130n;
  const requests = Array.from({ length: Number(stores) }, (_, i) => {
    return { storeId: BigInt(i + 1), requestId: 'r', count: 1, caller: '' };
  });
  await ledger.commit(requests);
  await ledger.indexed();
  await (await RawTable.of(url)).deleteAll(/^store#50$/);
  const events = await all(verifyTable(url, undefined));
  const sequences = events.flatMap((event) => (event.kind === 'sequence' ? [event.storeId] : []));
  expect(sequences).toHaveLength(Number(stores));
  expect(sequences).toContain(stores);
  expect(messagesOf(events)).toContain('store 50 has rows or declared losses but no counter');
});
