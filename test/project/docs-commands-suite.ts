import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { expect, it } from 'vitest';
import { newTableUrl } from '../support/dynamodb/dynalite.ts';
import { Sample } from '../support/dynamodb/sample.ts';
import { newDatabase } from '../support/postgres/database.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import type { Said, Tools } from './checkout.ts';
import { allSay, Checkout } from './checkout.ts';
import { blockLines, documentAt, DOCUMENTS, tableRows } from './documents.ts';
import { SAMPLE_TABLE } from './readme-commands-suite.ts';

// Every `sh` line in docs/ is run here, except those of losing-the-machine.md, which are one drill with a test of their
// own. What no test machine can run is in blocks of other languages: env files are ini and grants are sql, which
// readme.test.ts reads; programs and generator files are go and yaml; docker, systemd and the promotion of a standby are
// prose. Of make only the targets are looked up: .ci/run makes run and test in a clean clone, and bench takes minutes.

const PROTOCOL: readonly Said[] = [
  ['allocate --store 7', /order id +1\n[^]*order number +100\n[^]*replayed +no/],
  ['allocate --store 7', /order id +1\n[^]*order number +100\n[^]*replayed +yes/],
  ['get --store 7', /order-1001/],
  ['describe', /AllocateOrder/],
  ['AllocateOrder', /"orderId": ?"1"[^]*"replayed": ?true/],
  ['BatchAllocateOrders', /"orderId": ?"1"[^]*"code": ?3[^]*STORE_ID_INVALID/],
  ['buf curl', /"orderId": ?"1"[^]*"code": ?9[^]*REQUEST_ID_MISMATCH/],
  ['Health/Check', /"status": ?"SERVING"/],
  [
    'curl -i',
    /(?=[^]*display-number: 101)[^]*idempotency-key: order-1002[^]*\{"OrderID":2,"OrderNumber":101,"StoreID":7\}/i,
  ],
  [
    'generateOrderNumbers',
    /^\[\{"OrderID":2,"OrderNumber":101,"StoreID":7,"Count":1,"request_id":"order-1002"\},\{"status":422,.*"request_id":"order-1001"\}\]$/,
  ],
  ['healthz', /^\{"status":"ok"\}$/],
  ['readyz', /^\{"status":"ok"\}$/],
  ['list --store 7', /order-1001[^]*order-1002/],
  ['watch', /order-1001[^]*order-1002/],
];
const METRICS: readonly Said[] = [['curl', /^order_numbers_last_order_id 2$/m]];
const COMMAND_LINE: readonly Said[] = [
  ['list', /^orderId,storeId,[^]*\n2,7,101,1,101,[^]*,order-1002,/],
  ['get', /order id +2\n/],
  ['get', /order id +2\n/],
  ['get', /order id +2\n/],
  ['stores', /^STORE [^]*\n +7 /],
  ['list', /^2,7,101,1,101,[^\n]*,order-1002,[^\n]*$/],
  ['top', /^TIME +STATE +LAST ID [^]*\n[-0-9]+ [:0-9]+ +serving +2 /],
  ['completion', /^complete -F _order_numbers order-numbers$/m],
];
const CLIENTS: readonly Said[] = [
  ['AllocateOrder', /"orderId":"1"[^]*"requestId":"cart-1"[^]*"replayed":false/],
  ['grpcurl', /"orderId": ?"1"[^]*"replayed": ?true/],
  ['ListAllocations', /"requestId":"cart-1"/],
];
const OF_HTTP: readonly Said[] = [
  ['AllocateOrder', /"orderNumber":"100".*"requestId":"cart-1".*"replayed":false/],
  ['AllocateOrder', /"orderNumber":"100".*"requestId":"cart-1".*"replayed":true/],
  ['GetAllocation', /"orderNumber":"100".*"requestId":"cart-1"/],
  ['openapi.json', /"openapi": "3\.1\.\d"/],
  ['VerifyLedger', /"verdict":\{.*"ok":true/],
  ['buf curl', /"nextNumber": "101"/],
  ['grpcweb', /"nextNumber": "101"/],
];
const OPERATIONS: readonly Said[] = [
  ['backup', /last_order_id +2\n/],
  ['verify', /no gaps, no duplicates/],
  ['verify data', /no gaps, no duplicates/],
  ['health', /^serving$/],
];
const RESTORE: readonly Said[] = [['restore', /last_order_id +2\n/]];
const IMPORT: readonly Said[] = [
  ['import --dynamodb', /next_order_id +4\n[^]*dry run/],
  ['import --dynamodb', /next_order_id +4\n/],
  ['import --dynamodb', /next_order_id +78\n[^]*dry run/],
  ['import --dynamodb', /next_order_id +78\n/],
  ['printf', /^$/],
  ['import --csv', /next_order_id +48211\n[^]*dry run/],
  ['import --csv', /next_order_id +48211\n/],
  ['migrate --from', /last_order_id +77\n[^]*moved: serve it/],
];

const TABLES: readonly Said[] = [
  ['print-table', /AWS::DynamoDB::Table/],
  ['reindex', /written +0 missing, 0 different/],
  ['verify', /no gaps, no duplicates/],
];
const UPGRADE: readonly Said[] = [['migrate --to', /version \d+, unchanged/]];
const DATABASES: readonly Said[] = [...UPGRADE, ['psql', /^/], ['verify', /no gaps, no duplicates/]];

/** The documents whose lines are run here. */
const RUN_HERE = [
  'docs/benchmarks.md',
  'docs/clients.md',
  'docs/command-line.md',
  'docs/dynamodb.md',
  'docs/metrics.md',
  'docs/http.md',
  'docs/migration.md',
  'docs/operations.md',
  'docs/postgres.md',
  'docs/protocol.md',
  'docs/writing-an-engine.md',
];
/**
 * Those that tests of their own run: security.md in security-commands.tools.test.ts, which needs openssl, and standby.md in
 * test/ops/standby.tools.test.ts, which needs pg_basebackup.
 */
const RUN_ELSEWHERE = ['README.md', 'docs/losing-the-machine.md', 'docs/security.md', 'docs/standby.md'];

export function docsCommandsSuite(tools: Tools, require: (test: TestContext) => void): void {
  it('no document has commands that no test runs', () => {
    const withLines = DOCUMENTS.filter((document) => blockLines(document, 'sh').length > 0).map(({ path }) => path);
    expect(withLines.toSorted()).toEqual([...RUN_HERE, ...RUN_ELSEWHERE].toSorted());
  });

  it('protocol.md, metrics.md, command-line.md and operations.md: every command does what the text says, on a new ledger', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    const server = new LocalServer(checkout.ledger());
    checkout.serves(await server.line('serving'));
    expect(await checkout.run(linesOf('docs/protocol.md'), PROTOCOL)).toEqual(allSay(PROTOCOL));
    expect(await checkout.run(linesOf('docs/metrics.md'), METRICS)).toEqual(allSay(METRICS));
    expect(await checkout.run(linesOf('docs/command-line.md'), COMMAND_LINE)).toEqual(allSay(COMMAND_LINE));
    await expectMetrics(String((await server.line('serving'))['metrics']));
    const lines = linesOf('docs/operations.md');
    const ofServer = lines.filter((line) => !isRestore(line));
    expect(await checkout.run(ofServer, OPERATIONS)).toEqual(allSay(OPERATIONS));
    expect(await server.stop()).toBe(0);
    expect(await checkout.run(lines.filter(isRestore), RESTORE)).toEqual(allSay(RESTORE));
  });

  it('clients.md and http.md: orders are numbered by HTTP and by gRPC', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    const server = new LocalServer(join(checkout.folder, 'orders.db'));
    checkout.serves(await server.line('serving'));
    expect(await checkout.run(linesOf('docs/clients.md'), CLIENTS)).toEqual(allSay(CLIENTS));
    expect(await checkout.run(linesOf('docs/http.md'), OF_HTTP)).toEqual(allSay(OF_HTTP));
  });

  it('migration.md: counters come from the sample and from CSV, and a ledger moves to PostgreSQL', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    const url = await newDatabase();
    checkout.replace(DATABASE, url);
    writeFileSync(join(checkout.folder, 'table.json'), SAMPLE_TABLE);
    const sample = await Sample.create();
    for (const storeId of [7n, 8n, 7n]) await sample.order(storeId);
    checkout.replace(/dynamodb:\/\/orders[^']*/g, await newTableUrl());
    checkout.replace(/dynamodb:\/\/sample[^']*/g, sample.url);
    const lines = linesOf('docs/migration.md');
    const commands = lines.filter((line) => !isServe(line));
    expect(await checkout.run(commands, IMPORT)).toEqual(allSay(IMPORT));
    const opened = await openedBy(lines.filter(isServe), checkout);
    expect(opened).toMatchObject([{ last_order_id: '3' }, { last_order_id: '77' }]);
    await expect(sample.order(7n)).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('postgres.md: servers and commands on one database', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    const printed = await newDatabase();
    // The owner starts with an empty database.
    checkout.replace(/postgres:\/\/owner@[\w,]+\/orders/g, printed);
    checkout.replace(DATABASE, await newDatabase());
    const lines = linesOf('docs/postgres.md');
    expect(await openedBy(lines.filter(isServe), checkout)).toHaveLength(2);
    const commands = lines.filter((line) => !isServe(line));
    expect(await checkout.run(commands, DATABASES)).toEqual(allSay(DATABASES));
    // The printed schema was complete: nothing is left to upgrade.
    const upgraded = await checkout.run([`npx order-numbers migrate --to ${printed}`], UPGRADE);
    expect(upgraded).toEqual(allSay(UPGRADE));
  });

  it('dynamodb.md: a server on a table, and the table for CloudFormation', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    checkout.replace(/dynamodb:\/\/orders[^']*/g, await newTableUrl());
    const lines = linesOf('docs/dynamodb.md');
    expect(await openedBy(lines.filter(isServe), checkout)).toHaveLength(1);
    const commands = lines.filter((line) => !isServe(line));
    expect(await checkout.run(commands, TABLES)).toEqual(allSay(TABLES));
  });

  it.each(DOCUMENTS)('$path: make knows its targets', async (document) => {
    const lines = blockLines(document, 'sh').filter(isMake);
    // Nothing is installed, and nothing is run.
    const dry = lines.map((line) => line.replace('make ', 'make --dry-run --assume-old=node_modules/.installed '));
    const commands = dry.map((line): Said => [line, /node_modules\/\.bin/]);
    expect(await new Checkout(tools).run(dry, commands)).toEqual(allSay(commands));
  });
}

const DATABASE = /postgres:\/\/orders@[\w,]+\/orders/g;

function linesOf(path: string): string[] {
  return blockLines(documentAt(path), 'sh').filter((line) => !isMake(line));
}

function isMake(line: string): boolean {
  return /^(\w+=\S+ )*make /.test(line);
}

/** A restore needs the server to be stopped. */
function isRestore(line: string): boolean {
  return line.includes(' restore ');
}

function isServe(line: string): boolean {
  return line.includes('order-numbers serve ');
}

/** Starts the server of each line; resolves to what each logs about its ledger. */
async function openedBy(lines: readonly string[], checkout: Checkout) {
  const opened = [];
  for (const line of lines) {
    const [, ledger, ...args] = checkout
      .here(line)
      .replace(/^.* serve /, '')
      .replaceAll("'", '')
      .split(' ');
    const server = new LocalServer(ledger!, { args });
    await server.serving();
    opened.push(server.log.find(({ ledger_id: id }) => id !== undefined));
    await server.stop();
  }
  return opened;
}

/** The table of metrics.md has every metric of a server, with its type and its labels, and no other. */
async function expectMetrics(address: string): Promise<void> {
  const page = await (await fetch(`http://${address}/metrics`)).text();
  const families = page.matchAll(/^# TYPE (\w+) (\w+)\n((?:[^#\n].*\n)*)/gm);
  const served = [...families].map(([, name, type, samples]) => {
    const labels = [...samples!.matchAll(/[{,](\w+)="/g)].map((match) => match[1]!);
    return [name, type, [...new Set(labels)].filter((label) => label !== 'le').join(', ')];
  });
  const rows = tableRows(documentAt('docs/metrics.md')).filter((cells) => /^\w+_\w+$/.test(cells[1]!));
  expect(rows.map((cells) => cells.slice(1, 4)).toSorted()).toEqual(served.toSorted());
}
