import { expect, it } from 'vitest';
import type { LedgerSettings } from '../../../../src/engines/engine.ts';
import { lookAtTable } from '../../../../src/engines/dynamodb/operator/look-at-table.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { failingEndpoint } from '../../../support/dynamodb/failing-endpoint.ts';
import { append, withTable } from '../../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../../support/dynamodb/opened-ledger.ts';
import { RawTable } from '../../../support/dynamodb/raw-table.ts';
import { Sample } from '../../../support/dynamodb/sample.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';

const OTHER_ID = '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22';

function look(ledger: string, changes: Partial<LedgerSettings> = {}) {
  return lookAtTable({
    ledger,
    ledgerRead: 'off',
    autoCreateStores: true,
    create: true,
    expectLedgerId: 'none',
    ...changes,
  });
}

/** A ledger of one order; no server has it open. */
async function newLedger(): Promise<{ url: string; ledgerId: string }> {
  const url = await newTableUrl();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit([{ storeId: 7n, requestId: 'r', count: 1, caller: '' }]);
  const { ledgerId } = await ledger.reads.end();
  await ledger.close();
  return { url, ledgerId };
}

it('tells which ledger it is, and changes nothing', async () => {
  const { url, ledgerId } = await newLedger();
  const table = await RawTable.of(url);
  const before = await table.items();
  expect(await look(url, { expectLedgerId: ledgerId, create: false })).toEqual({
    found: `${url} is ledger ${ledgerId}, up to order_id 1`,
    ledgerId,
    lastOrderId: 1n,
    problems: [],
    warnings: [],
    notChecked: ['whether these credentials may write'],
  });
  expect(await table.items()).toEqual(before);
});

it('a table that is missing or empty is no problem if a ledger may be created', async () => {
  const missing = await newTableUrl();
  const { url: empty } = await newLedger();
  await (await RawTable.of(empty)).deleteAll(/./);
  for (const url of [missing, empty]) {
    expect(await look(url)).toMatchObject({
      found: `${url} has no ledger yet: a server would create one`,
      problems: [],
    });
    for (const expected of [{ create: false }, { expectLedgerId: OTHER_ID }]) {
      expect(await look(url, expected)).toMatchObject({
        found: undefined,
        problems: [expect.stringMatching(/^no ledger exists in dynamodb:\S+, and --.*; check that --ledger names/)],
      });
    }
  }
});

it.each([
  [
    'another ledger than the expected one',
    () => {},
    { expectLedgerId: OTHER_ID },
    /is ledger [\da-f-]{36}, but --expect-ledger-id is 0b0e3f9a-\S+; check --ledger, or change/,
  ],
  [
    'one that has moved',
    (url: string) => withTable(url, (table) => append(table, { movedTo: 'postgres://db1/orders' })),
    {},
    /^the ledger of \S+ has moved to postgres:\/\/db1\/orders; serve that one$/,
  ],
  [
    'one that another ledger is moved into',
    (url: string) => withTable(url, (table) => append(table, { isMoving: true })),
    {},
    /^a ledger is being moved into \S+; finish that with order-numbers migrate or import$/,
  ],
  [
    'a damaged log',
    async (url: string) => (await RawTable.of(url)).change(/^log#1$/, { body: { S: '{' } }),
    {},
    /cannot be read \(the ledger is damaged: entry 1 of its log cannot be read\); restore the table to a time before/,
  ],
])('P9: %s is a problem', async (_, change, settings, problem) => {
  const { url } = await newLedger();
  await change(url);
  expect(await look(url, settings)).toMatchObject({ found: undefined, problems: [expect.stringMatching(problem)] });
});

it.each([
  [
    'AccessDeniedException',
    'not authorized to perform: dynamodb:GetItem',
    /\(not auth.*GetItem\); give the credentials of/,
  ],
  ['UnrecognizedClientException', 'The security token is invalid.', /\(The security token is invalid\.\); give the/],
])('P9: %s is a problem, and a server that meets it does not start', async (type, message, problem) => {
  const endpoint = await failingEndpoint(type, message);
  await newTableUrl();
  const url = `dynamodb://orders?region=eu-central-1&endpoint=${endpoint}`;
  expect(await look(url)).toMatchObject({ found: undefined, problems: [expect.stringMatching(problem)] });
  expect(await refusedStart(url)).toBe(
    `${url} cannot be used (${message}); give the credentials of a role that may use the table, as variables, a profile or a ` +
      'role of the machine',
  );
});

it('a table of another program is a problem, and is not changed', async () => {
  const sample = await Sample.create();
  await sample.order(7n);
  const before = await sample.table.items();
  expect(await look(sample.url)).toMatchObject({
    problems: [expect.stringMatching(/cannot be read .*; it may be a table of another program: check the name/)],
  });
  expect(await refusedStart(sample.url)).toMatch(
    /^dynamodb:\S+ cannot be used \(.*\); it may be a table of another program: check the name of the table/,
  );
  expect(await sample.table.items()).toEqual(before);
});

it('serve --check says so, with exit code 2', async () => {
  const { url, ledgerId } = await newLedger();
  const args = ['--grpc-listen', '127.0.0.1:0', '--http-listen', 'off', '--metrics-listen', 'off', '--json'];
  const good = await localOrderNumbers(['serve', '--check', '--ledger', url, ...args]);
  expect(JSON.parse(good.stdout)).toMatchObject({ ok: true, ledger: { name: url, ledgerId, lastOrderId: '1' } });
  const bad = await localOrderNumbers(['serve', '--check', ...args], {
    env: { ORDERS_LEDGER: url, ORDERS_EXPECT_LEDGER_ID: OTHER_ID },
  });
  expect(bad.exitCode).toBe(2);
  expect(bad.stdout).toContain('but --expect-ledger-id is');
});
