import { PassThrough } from 'node:stream';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { ProgressBar } from '../../../src/cli/view/progress-bar.ts';
import type { VerifyLedgerResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { VerifyFindingKind } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { fakeOrdersServer, fakeStatus } from '../../support/clients/fake-orders-server.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import type { CommandResult } from '../../support/processes/order-numbers-command.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { databaseName, newDatabase } from '../../support/postgres/database.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';

type Event = NonNullable<VerifyLedgerResponse['event']>;

describe.each(ENGINES)('on $name', (engine) => {
  it('P1 P2: an intact ledger verifies, through the server and read directly', async () => {
    const { ledger, address } = await servedLedger(engine);
    const good =
      'SEQUENCE    FIRST  LAST  NUMBERS\n' +
      'all stores      1     3        3\n' +
      'store 7       100   101        2\n' +
      'store 8       100   100        1\n\n' +
      'no gaps, no duplicates: 3 rows, 3 sequences, up to order_id 3\n';
    for (const args of [['--server', address], [ledger]]) {
      expect(await localOrderNumbers(['verify', ...args])).toEqual({ exitCode: 0, stdout: good, stderr: '' });
    }
    const one = await localOrderNumbers(['verify', ledger, '--store', '7']);
    expect(one).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^no gaps, no duplicates: 2 rows, 1 sequence,/m),
    });
    // A good result without a store would be taken for the verdict.
    for (const args of [['--server', address], [ledger], [ledger, '--json']]) {
      const missing = await localOrderNumbers(['verify', '--store', '9', ...args]);
      expect(missing).toMatchObject({
        exitCode: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /^(error: |\{"error":\{"message":")store 9 does not exist in this ledger[^\n]*\n$/,
        ),
      });
    }
  });

  it('P1 P2: a hole is named, and the exit code is 1', async () => {
    const { ledger, stop } = await servedLedger(engine);
    await stop();
    await engine.deleteOrder(ledger, 2n);
    // A process of its own, which has to end, whatever the engine.
    const { exitCode, stdout, stderr } = await orderNumbers(['verify', ledger]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(stdout).toMatch(/^hole in all stores, 2: /m);
    expect(stdout).toMatch(/^all stores +1 +3 +2 +1 missing$/m);
    expect(stdout).toMatch(/\nFAILED, \d+ findings?: 2 rows, 3 sequences, up to order_id 3\n$/);
    const json = await localOrderNumbers(['verify', ledger, '--json']);
    expect(json).toMatchObject({ exitCode: 1, stderr: '' });
    const events = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, object>);
    expect(events).toContainEqual({
      finding: { kind: 'VERIFY_FINDING_KIND_HOLE', first: '2', last: '2', message: expect.any(String) },
    });
    expect(events.at(-1)).toMatchObject({ verdict: { asOfOrderId: '3', rows: '2', sequences: '3', ok: false } });
  });
});

it('a ledger that cannot be verified is named in one line, and the exit code is 1', async () => {
  const path = join(testFolder(), 'notes.txt');
  const gone = await localOrderNumbers(['verify', path]);
  writeFileSync(path, 'Not a database.\n'.repeat(100));
  const wrong = await localOrderNumbers(['verify', path]);
  const url = await newDatabase();
  const database = databaseName(url);
  const empty = await localOrderNumbers(['verify', url]);
  const unknown = await localOrderNumbers(['verify', `${url}_gone`]);
  const named: [CommandResult, string][] = [
    [gone, 'notes\\.txt'],
    [wrong, 'notes\\.txt'],
    [empty, database],
    [unknown, `${database}_gone`],
  ];
  for (const [{ exitCode, stdout, stderr }, name] of named) {
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^error: [^\\n]*${name}[^\\n]*\\n$`));
  }
});

it('findings and declared losses are distinguished, and numbers have digit grouping for people', async () => {
  const server = await serverThatSays([
    { $case: 'declaredLoss', value: { storeId: undefined, first: 11n, last: 20n } },
    { $case: 'declaredLoss', value: { storeId: 7n, first: 105n, last: 114n } },
    { $case: 'progress', value: { rowsRead: 1n, orderId: 1n, endOrderId: 2n } },
    finding(VerifyFindingKind.VERIFY_FINDING_KIND_MISMATCH, 8n),
    { $case: 'sequence', value: { storeId: undefined, first: 1n, last: 1_000_010n, count: 1_000_000n } },
    { $case: 'sequence', value: { storeId: 7n, first: 100n, last: 200n, count: 91n } },
    { $case: 'sequence', value: { storeId: 8n, first: 100n, last: 99n, count: 0n } },
    verdict({ rows: 1_000_000n, sequences: 11n, findings: 1n, ok: false }),
  ]);
  const { exitCode, stdout } = await localOrderNumbers(['verify', '--server', server]);
  expect(exitCode).toBe(1);
  expect(stdout).toBe(
    [
      'mismatch in store 8, 5 to 6: something is wrong',
      'SEQUENCE    FIRST     LAST    NUMBERS',
      'all stores      1  1000010  1,000,000',
      'store 7       100      200         91',
      'store 8       100        -          0  see above',
      '',
      'Skipped after a restore to an older copy (declared losses, not gaps):',
      'all stores   11   20',
      'store 7     105  114',
      '',
      'FAILED, 1 finding: 1,000,000 rows, 11 sequences, up to order_id 1000010',
      '',
    ].join('\n'),
  );
});

it('only the bad ones of many stores are shown, however late they come', async () => {
  const stores = Array.from({ length: 200 }, (_, i): Event => {
    const count = i === 150 ? 9n : 10n;
    return { $case: 'sequence', value: { storeId: BigInt(i + 1), first: 1n, last: 10n, count } };
  });
  const all: Event = { $case: 'sequence', value: { storeId: undefined, first: 1n, last: 2000n, count: 2000n } };
  const server = await serverThatSays([all, ...stores, verdict({ sequences: 201n, findings: 1n, ok: false })]);
  const { exitCode, stdout } = await localOrderNumbers(['verify', '--server', server]);
  expect(exitCode).toBe(1);
  expect(stdout.split('\n').slice(1, 4)).toEqual([
    expect.stringMatching(/^all stores +1 +2000 +2,000$/),
    expect.stringMatching(/^store 151 +1 +10 +9 +1 missing$/),
    '200 stores, 1 of them bad: only those are shown',
  ]);
});

it('--json prints every event except progress as a line', async () => {
  const server = await serverThatSays([
    { $case: 'progress', value: { rowsRead: 1n, orderId: 1n, endOrderId: 2n } },
    { $case: 'declaredLoss', value: { storeId: 7n, first: 105n, last: 114n } },
    finding(VerifyFindingKind.VERIFY_FINDING_KIND_OVERLAP, undefined),
    verdict({ ok: false }),
  ]);
  const { exitCode, stdout, stderr } = await localOrderNumbers(['verify', '--json', '--server', server]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
  expect(stdout.split('\n').slice(0, -1)).toEqual([
    '{"declaredLoss":{"storeId":"7","first":"105","last":"114"}}',
    '{"finding":{"kind":"VERIFY_FINDING_KIND_OVERLAP","first":"5","last":"6","message":"something is wrong"}}',
    '{"verdict":{"asOfOrderId":"1000010","rows":"1","sequences":"1","findings":"0","ok":false}}',
  ]);
});

it('a kind of finding known only to a newer server is shown as a mismatch', async () => {
  const unknown = finding(99 as VerifyFindingKind, 8n);
  const server = await serverThatSays([unknown, verdict({ findings: 1n, ok: false })]);
  const forPeople = await localOrderNumbers(['verify', '--server', server]);
  const json = await localOrderNumbers(['verify', '--json', '--server', server]);
  expect(forPeople).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/^mismatch in store 8, 5 to 6: something is wrong\n/),
  });
  expect(JSON.parse(json.stdout.split('\n')[0]!)).toEqual({
    finding: {
      kind: 'VERIFY_FINDING_KIND_MISMATCH',
      storeId: '8',
      first: '5',
      last: '6',
      message: 'something is wrong',
    },
  });
});

it('a verification without a verdict proves nothing', async () => {
  const quiet = await localOrderNumbers(['verify', '--server', await serverThatSays([])]);
  const broken = await fakeOrdersServer({
    verifyLedger: () => {
      throw fakeStatus(status.UNAVAILABLE, 'the ledger is being opened again', 'LEDGER_REOPENING');
    },
  });
  const refused = await localOrderNumbers(['verify', '--server', broken]);
  expect(quiet).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/without a verdict/) });
  expect(refused).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/\(LEDGER_REOPENING\)\n$/) });
});

it('the progress bar is drawn on a terminal, gives way to lines and leaves nothing behind', async () => {
  const terminal = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 80 });
  const bar = (await ProgressBar.onTerminal(terminal as unknown as NodeJS.WriteStream, 'xterm'))!;
  bar.update('verifying', 1, 4, '1,000,000 rows');
  bar.clear();
  bar.stop();
  const drawn = String(terminal.read());
  expect(drawn).toContain('] 25%  1,000,000 rows');
  expect(drawn).toContain('\r\u001B[K');
  expect(await ProgressBar.onTerminal(new PassThrough() as unknown as NodeJS.WriteStream, 'xterm')).toBeUndefined();
});

/** A real server with three orders of two stores. */
async function servedLedger(engine: Engine) {
  const ledger = await engine.newLedger();
  const server = new LocalServer(ledger);
  const address = await server.serving();
  const client = connect(address);
  for (const storeId of [7n, 8n, 7n]) await client.allocateOrder({ storeId, requestId: '' });
  client.close();
  return { ledger, address, stop: () => server.stop() };
}

function serverThatSays(events: readonly Event[]): Promise<string> {
  return fakeOrdersServer({
    async *verifyLedger() {
      for (const event of events) yield { event };
    },
  });
}

function finding(kind: VerifyFindingKind, storeId: bigint | undefined): Event {
  return { $case: 'finding', value: { kind, storeId, first: 5n, last: 6n, message: 'something is wrong' } };
}

function verdict(changes: Partial<Extract<Event, { $case: 'verdict' }>['value']>): Event {
  const value = { asOfOrderId: 1_000_010n, rows: 1n, sequences: 1n, findings: 0n, ok: true, ...changes };
  return { $case: 'verdict', value };
}
