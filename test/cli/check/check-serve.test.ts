import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from '../../support/clients/orders-client.ts';
import { folderState } from '../../support/disk/folder-state.ts';
import { fillLedger, fills, tamper } from '../../support/ledgers/filled-ledger.ts';
import { version1Ledger } from '../../support/ledgers/version-1-ledger.ts';
import { AUTHORITY, SIGNED } from '../../support/network/certificates.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { newDatabase, query } from '../../support/postgres/database.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { NOT_ROOT } from '../../support/processes/not-root.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';

interface Finding {
  readonly kind: string;
  readonly flag: string;
  readonly text: string;
}

interface Report {
  readonly exitCode: number | null;
  readonly ok: boolean;
  readonly ledger: { readonly name: string; readonly ledgerId?: string; readonly lastOrderId?: string } | undefined;
  readonly findings: readonly Finding[];
}

const ANY_PORTS = ['--grpc-listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
const TLS = ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile];
const OTHER_ID = '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22';

/**
 * Runs `serve --check` in this process. Not beside a server in it: closing a ledger's file would drop that server's locks.
 */
async function checkHere(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Report> {
  return toReport(await localOrderNumbers(['serve', '--check', '--json', ...args], { env }));
}

function toReport({ exitCode, stdout, stderr }: { exitCode: number | null; stdout: string; stderr: string }): Report {
  expect(stderr).toBe('');
  return { ...(JSON.parse(stdout) as Omit<Report, 'exitCode'>), exitCode };
}

function problems({ findings }: Report): string[] {
  return findings.filter(({ kind }) => kind === 'problem').map(({ flag, text }) => `${flag}: ${text}`);
}

function texts({ findings }: Report, kind: string): string[] {
  return findings.filter((finding) => finding.kind === kind).map(({ text }) => text);
}

describe('a check of an SQLite ledger', () => {
  it('says that a new one would be created, and creates nothing', async () => {
    const folder = testFolder();
    const before = folderState(folder);
    const path = join(folder, 'orders.db');
    const report = await checkHere([...ANY_PORTS, '--ledger', path]);
    expect(report).toMatchObject({ exitCode: 0, ok: true, ledger: { name: path } });
    expect(report.findings[0]).toEqual({
      kind: 'ok',
      flag: '--ledger',
      text: `${path} would be created: a new ledger, which numbers from order_id 1`,
    });
    expect(folderState(folder)).toEqual(before);
  });

  it('says which ledger is there and how far it has numbered, and leaves every file as it is', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    fillLedger(path, ...fills(5));
    const before = folderState(folder);
    const report = await checkHere([...ANY_PORTS, '--ledger', path]);
    expect(report).toMatchObject({ exitCode: 0, ledger: { name: path, lastOrderId: '5' } });
    expect(texts(report, 'ok')[0]).toBe(`${path} has ledger ${report.ledger!.ledgerId}, whose last order_id is 5`);
    const expected = ['--expect-ledger-id', report.ledger!.ledgerId!];
    expect(await checkHere([...ANY_PORTS, '--ledger', path, ...expected])).toMatchObject({ exitCode: 0 });
    expect(folderState(folder)).toEqual(before);
  });

  it('P9: takes the end from the mark while the newest numbers are in the WAL, and says what it did not check', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    const server = new ServerProcess(path);
    const client = connect(await server.serving());
    for (let i = 1; i <= 3; i++) await client.allocateOrder({ storeId: 7n, requestId: `r-${i}` });
    client.close();
    await server.kill();
    const before = folderState(folder);
    const report = await checkHere([...ANY_PORTS, '--ledger', path]);
    expect(report).toMatchObject({ exitCode: 0, ledger: { lastOrderId: '3' } });
    expect(texts(report, 'ok')[0]).toMatch(/ is 3 according to its mark$/);
    expect(texts(report, 'not checked')).toEqual([
      expect.stringContaining(`whether ${path}-wal belongs to the database`),
    ]);
    expect(folderState(folder)).toEqual(before);
  });

  it('P8: names a server that runs on it, and does not disturb it', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    const server = new ServerProcess(path);
    const client = connect(await server.serving());
    onTestFinished(() => client.close());
    await client.allocateOrder({ storeId: 7n, requestId: 'first' });
    // Nothing else writes meanwhile.
    server.child.kill('SIGSTOP');
    const before = folderState(folder);
    const report = await checkHere([...ANY_PORTS, '--ledger', path]);
    expect(folderState(folder)).toEqual(before);
    server.child.kill('SIGCONT');
    expect(problems(report)).toEqual([expect.stringContaining(`${path} is in use by another order-numbers process`)]);
    expect(report).toMatchObject({ exitCode: 2, ledger: { lastOrderId: '1' } });
    expect((await client.allocateOrder({ storeId: 7n, requestId: 'second' })).allocation).toMatchObject({
      orderId: 2n,
    });
    expect(await server.stop()).toBe(0);
  });

  it.each<[string, (path: string) => unknown, readonly string[]]>([
    ['is a folder', (path) => mkdirSync(path), []],
    ['is not a database', (path) => writeFileSync(path, 'Not a database.\n'.repeat(100)), []],
    ['is a database of another program', (path) => tamper(path, 'CREATE TABLE customers (name TEXT)'), []],
    ['is behind its mark', behindItsMark, []],
    ['is missing, but its mark is there', missingBesideItsMark, []],
    [
      'has a schema of a newer program',
      (path) => (fillLedger(path, ...fills(1)), tamper(path, 'PRAGMA user_version = 99')),
      [],
    ],
    [
      'was moved away',
      (path) => (fillLedger(path, ...fills(1)), tamper(path, "UPDATE ledger SET sealed_to = 'x (y)'")),
      [],
    ],
    ['is missing, and none may be created', () => {}, ['--create=false']],
    ['is another one than expected', (path) => fillLedger(path, ...fills(1)), ['--expect-ledger-id', OTHER_ID]],
    ['has a WAL without a database', (path) => writeFileSync(`${path}-wal`, 'numbers'), []],
  ])('that %s names the problem as a start does, and changes nothing', async (_, make, args) => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    make(path);
    const before = folderState(folder);
    const report = await checkHere([...ANY_PORTS, '--ledger', path, ...args]);
    expect(report).toMatchObject({ exitCode: 2, ok: false });
    expect(folderState(folder)).toEqual(before);
    const refusal = withoutReason(await refusedStart(path, args));
    expect(problems(report).map(withoutReason)).toEqual([`--ledger: ${refusal}`]);
  });

  it('warns of a missing mark, which a start would write again', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    rmSync(fillLedger(path, ...fills(1)).mark);
    const report = await checkHere([...ANY_PORTS, '--ledger', path]);
    expect(report).toMatchObject({ exitCode: 0 });
    expect(texts(report, 'warning')).toEqual([expect.stringMatching(/^the high-water mark .* would be rewritten/)]);
  });

  it('says that the schema of an older release would be upgraded, and leaves it as it is', async () => {
    const { database } = version1Ledger();
    const before = folderState(dirname(database));
    const report = await checkHere([...ANY_PORTS, '--ledger', database]);
    expect(report).toMatchObject({ exitCode: 0, ledger: { lastOrderId: '9' } });
    expect(texts(report, 'ok')[0]).toMatch(/ is 9; its schema would be upgraded from version 1 to \d$/);
    expect(folderState(dirname(database))).toEqual(before);
  });

  it('names what its user may not write or read, each remedy once', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    fillLedger(path, ...fills(1));
    const files = [path, `${path}.mark`];
    for (const file of files) chmodSync(file, 0o444);
    chmodSync(folder, 0o555);
    const [node, ...flags] = NOT_ROOT;
    const checkAsAnyone = async () => {
      const args = ['serve', '--check', '--json', ...ANY_PORTS, '--ledger', path];
      return toReport(await orderNumbers(args, { node, nodeArgs: [...flags, node] }));
    };
    const unwritable = [path, folder].map((place) =>
      expect.stringMatching(`this process may not write ${place} .*chown`),
    );
    expect(problems(await checkAsAnyone())).toEqual(unwritable);
    for (const file of files) chmodSync(file, 0o000);
    expect(problems(await checkAsAnyone())).toEqual([
      ...unwritable,
      expect.stringMatching(/the ledger cannot be read \(EACCES.*; check its owner and its mode$/),
    ]);
  });

  it('names a missing folder with what to type, and creates only that of the default', async () => {
    const folder = testFolder();
    const missing = await checkHere([...ANY_PORTS, '--ledger', join(folder, 'new', 'orders.db')]);
    expect(problems(missing)).toEqual([expect.stringContaining(`mkdir -p ${join(folder, 'new')}`)]);
    const { stdout, exitCode } = await localOrderNumbers(['serve', '--check', ...ANY_PORTS], { cwd: folder });
    expect(stdout).toContain(`${join(folder, 'data')} would be created, with a new ledger in it`);
    expect(exitCode).toBe(0);
    expect(Object.keys(folderState(folder))).toEqual(['.']);
  });
});

/** What SQLite itself says in brackets differs between the two ways of reading a file. */
function withoutReason(text: string): string {
  return text.replace(/ \(file is not a database\)/, '');
}

function behindItsMark(path: string): void {
  const { mark } = fillLedger(path, ...fills(2));
  copyFileSync(path, `${path}.old`);
  fillLedger(path, ...fills(2, { name: 's' }));
  copyFileSync(`${path}.old`, path);
  expect(mark).toBe(`${path}.mark`);
}

function missingBesideItsMark(path: string): void {
  fillLedger(path, ...fills(2));
  rmSync(path);
}

describe('a check of a PostgreSQL ledger', () => {
  const CONTENTS = `SELECT (SELECT count(*) FROM pg_namespace) AS schemas, (SELECT count(*) FROM pg_class) AS tables,
    (SELECT count(*) FROM pg_proc) AS functions`;

  it('says that a new one would be created, and creates nothing', async () => {
    const url = await newDatabase();
    const before = await query(url, CONTENTS);
    const report = await checkHere([...ANY_PORTS, '--ledger', url]);
    expect(report).toMatchObject({ exitCode: 0, ok: true, ledger: { name: url } });
    expect(texts(report, 'ok')[0]).toBe(`${url} would get a new ledger, which numbers from order_id 1`);
    expect(await query(url, CONTENTS)).toEqual(before);
    const refused = await checkHere([...ANY_PORTS, '--ledger', url, '--create=false']);
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(problems(refused)).toEqual([expect.stringContaining(`no ledger exists in ${url}, and --create is false`)]);
  });

  it('says which ledger is there and how far it has numbered, beside a server', async () => {
    const url = await newDatabase();
    const server = new LocalServer(url);
    const client = connect(await server.serving());
    await client.allocateOrder({ storeId: 7n, requestId: 'first' });
    client.close();
    const rows = 'SELECT xmin, ctid, * FROM order_numbers.ledger';
    const before = await query(url, rows);
    const report = await checkHere([...ANY_PORTS, '--ledger', url]);
    expect(report).toMatchObject({ exitCode: 0, ledger: { lastOrderId: '1' } });
    expect(report.ledger!.ledgerId).toBe(before[0]!['ledger_id']);
    expect(await query(url, rows)).toEqual(before);
    const other = await checkHere([...ANY_PORTS, '--ledger', url, '--expect-ledger-id', OTHER_ID]);
    expect(problems(other)).toEqual([expect.stringMatching(/^--ledger: .*but --expect-ledger-id is 0b0e3f9a/)]);
  });

  it('names a database that does not answer, and hides the password', async () => {
    const url = `postgres://orders:secret@${await freeAddress()}/orders`;
    const report = await checkHere([...ANY_PORTS, '--ledger', url, '--ledger-read', url]);
    expect(report).toMatchObject({ exitCode: 2, ok: false });
    expect(problems(report)).toEqual([
      expect.stringMatching(/^--ledger: PostgreSQL on 127\.0\.0\.1:\d+ cannot be used/),
    ]);
    expect(texts(report, 'warning')).toEqual([expect.stringMatching(/^the standby of --ledger-read does not answer/)]);
    expect(JSON.stringify(report)).not.toContain('secret');
  });

  it('names a role that may not allocate', async () => {
    const url = await newDatabase();
    expect(await localOrderNumbers(['migrate', '--to', url])).toMatchObject({ exitCode: 0 });
    const role = `role_${url.slice(-12)}`;
    await query(url, `CREATE ROLE ${role} LOGIN`);
    onTestFinished(() => query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`).then(() => {}));
    const as = url.replace('postgres@', `${role}@`);
    const report = await checkHere([...ANY_PORTS, '--ledger', as]);
    expect(problems(report)).toEqual([expect.stringMatching(/GRANTs that order-numbers migrate --print ends with$/)]);
  });
});

describe('a check of settings', () => {
  it('lists every problem, each with its flag and its remedy, and still looks at the rest', async () => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    writeFileSync(path, 'Not a database.\n'.repeat(100));
    const taken = await takenAddress();
    const report = await checkHere(
      [
        '--ledger',
        path,
        '--max-batch',
        '0',
        '--grpc-listen',
        taken,
        '--http-listen',
        '50051',
        '--metrics-listen',
        'off',
      ],
      { ORDERS_MAX_QUEUE: 'many', ORDERS_LEDGER_READ: 'postgres://u:secret@h/orders', ORDERS_LEDGR: 'x' },
    );
    expect(report).toMatchObject({ exitCode: 2, ok: false });
    expect(problems(report)).toEqual([
      "--max-batch: argument '0' is invalid. Use a whole number from 1 to 10000.",
      expect.stringMatching(/^--http-listen: argument '50051' is invalid\. Use host:port/),
      "--max-queue: value 'many' from env 'ORDERS_MAX_QUEUE' is invalid. Use a whole number from 1 to 1000000.",
      expect.stringMatching(/^--ledger-read: --ledger-read needs a PostgreSQL ledger/),
      expect.stringMatching(/^--ledger: .* is damaged or not an SQLite database; put a good copy back/),
      `--grpc-listen: ${taken} is in use by another program; stop it, or choose another address with --grpc-listen`,
    ]);
    expect(texts(report, 'warning')).toEqual([
      'the variable ORDERS_LEDGR is not a setting: did you mean ORDERS_LEDGER?',
    ]);
    expect(JSON.stringify(report)).not.toContain('secret');
  });

  it('says nothing of a ledger or listener whose setting is invalid', async () => {
    const report = await checkHere([
      ...ANY_PORTS,
      '--ledger',
      'mysql://h/db',
      '--ledger-read',
      'postgres://h/db',
      '--http-listen',
      'on',
    ]);
    expect(report.ledger).toBeUndefined();
    expect(report.findings.filter(({ kind, flag }) => kind !== 'problem' && /ledger$|http/.test(flag))).toEqual([]);
    expect(problems(report).map((text) => text.split(':')[0])).toEqual(['--ledger', '--http-listen']);
  });

  it('names two listeners that share an address', async () => {
    const path = join(testFolder(), 'orders.db');
    const address = await freeAddress();
    const args = ['--grpc-listen', address, '--http-listen', address, '--metrics-listen', 'off'];
    expect(problems(await checkHere(['--ledger', path, ...args]))).toEqual([
      `--http-listen: two listeners share ${address}; choose another address with --http-listen`,
    ]);
  });

  it('names an address that this machine does not have', async () => {
    const path = join(testFolder(), 'orders.db');
    // TEST-NET-1: no machine has it.
    const report = await checkHere([...ANY_PORTS, '--ledger', path, '--grpc-listen', '192.0.2.1:0']);
    expect(problems(report)).toEqual([expect.stringMatching(/^--grpc-listen: cannot listen on 192\.0\.2\.1:0 /)]);
  });

  it.each<[string, (folder: string) => readonly string[], RegExp]>([
    [
      'neither TLS nor tokens',
      () => [],
      /^anyone who can reach 0\.0\.0\.0:0 can allocate .* without TLS and without tokens/,
    ],
    [
      'tokens alone',
      withTokens,
      /^anyone on the network path to 0\.0\.0\.0:0 can read the tokens .* with tokens but without TLS/,
    ],
    ['TLS alone', () => TLS, /^anyone who can reach 0\.0\.0\.0:0 can allocate .* with TLS but without tokens/],
  ])('repeats the warnings of a start with %s, and leaves the exit code at 0', async (_, guards, warning) => {
    const folder = testFolder();
    const path = join(folder, 'orders.db');
    const listen = ['--grpc-listen', '0.0.0.0:0', '--http-listen', '127.0.0.1:0', '--metrics-listen', '0.0.0.0:0'];
    const args = [...listen, ...guards(folder)];
    const report = await checkHere(['--ledger', path, ...args]);
    expect(report).toMatchObject({ exitCode: 0 });
    const server = new LocalServer(path, { args });
    await server.serving();
    const warned = server.log.filter(({ level, msg }) => level === 40 && msg.includes('anyone')).map(({ msg }) => msg);
    expect(warned).toEqual([expect.stringMatching(warning), expect.stringContaining('can read the metrics')]);
    expect(texts(report, 'warning').filter((text) => text.includes('anyone'))).toEqual(warned);
  });

  it('says what guards each listener, and warns of none that is guarded', async () => {
    const folder = testFolder();
    const everywhere = ['--grpc-listen', '0.0.0.0:0', '--http-listen', '0.0.0.0:0', '--metrics-listen', '0.0.0.0:0'];
    const guards = [...TLS, '--tls-client-ca', AUTHORITY.certFile, ...withTokens(folder), '--metrics-secure'];
    const report = await checkHere(['--ledger', join(folder, 'orders.db'), ...everywhere, ...guards]);
    expect(texts(report, 'ok').filter((text) => text.includes('is free'))).toEqual([
      '0.0.0.0:0 is free, and would serve gRPC with TLS, client certificates and tokens',
      '0.0.0.0:0 is free, and would serve HTTP with TLS, client certificates and tokens',
      '0.0.0.0:0 is free, and would serve the metrics with TLS and tokens',
    ]);
    expect(texts(report, 'warning').filter((text) => text.startsWith('anyone'))).toEqual([]);
  });

  it('calls nothing unguarded whose guard has an invalid value', async () => {
    const path = join(testFolder(), 'orders.db');
    const report = await checkHere([
      ...ANY_PORTS,
      '--ledger',
      path,
      '--grpc-listen',
      '0.0.0.0:0',
      '--tokens',
      '--tls-cert',
    ]);
    expect(problems(report)[0]).toMatch(/^--tokens: argument '--tls-cert' is invalid/);
    expect(report.findings.filter(({ text }) => /anyone|plaintext/.test(text))).toEqual([]);
  });

  it('frees the addresses that it looked at', async () => {
    const path = join(testFolder(), 'orders.db');
    const address = await freeAddress();
    expect(await checkHere([...ANY_PORTS, '--ledger', path, '--grpc-listen', address])).toMatchObject({
      findings: expect.anything(),
    });
    const server = new LocalServer(path, { args: ['--grpc-listen', address] });
    expect(await server.serving()).toBe(address);
  });

  it('names what differs from the defaults, and where it comes from', async () => {
    const path = join(testFolder(), 'orders.db');
    const report = await checkHere([...ANY_PORTS, '--ledger', path, '--max-batch', '500'], { ORDERS_MAX_QUEUE: '77' });
    const chosen = report.findings.filter(({ flag }) => flag.startsWith('--max'));
    expect(chosen).toEqual([
      { kind: 'ok', flag: '--max-batch', text: '500' },
      { kind: 'ok', flag: '--max-queue', text: '77, from ORDERS_MAX_QUEUE' },
    ]);
  });
});

describe('a check for people', () => {
  it('is one line per finding and the verdict', async () => {
    const path = join(testFolder(), 'orders.db');
    // The check itself in a process of its own, as an operator runs it: once when all is well, once when it is not.
    const good = await orderNumbers(['serve', '--check', '--ledger', path, ...ANY_PORTS]);
    expect(good).toMatchObject({ exitCode: 0, stderr: '' });
    expect(good.stdout.split('\n')).toEqual([
      `ok           --ledger: ${path} would be created: a new ledger, which numbers from order_id 1`,
      'ok           --grpc-listen: 127.0.0.1:0 is free, and would serve gRPC in plaintext, without tokens',
      'ok           --http-listen: 127.0.0.1:0 is free, and would serve HTTP in plaintext, without tokens',
      'ok           --metrics-listen: 127.0.0.1:0 is free, and would serve the metrics in plaintext, without tokens',
      'The server would start.',
      '',
    ]);
    const bad = await orderNumbers([
      'serve',
      '--check',
      '--ledger',
      path,
      ...ANY_PORTS,
      '--max-batch=x',
      '--max-queue=x',
    ]);
    expect(bad).toMatchObject({ exitCode: 2, stderr: '' });
    expect(bad.stdout).toMatch(/^problem {6}--max-batch: argument 'x' is invalid\..*\nproblem {6}--max-queue: /);
    expect(bad.stdout).toMatch(/\nThe server is not ready to start: 2 problems\.\n$/);
  });

  it('goes without --json only: the log of a server is JSON already', async () => {
    const { exitCode, stderr } = await localOrderNumbers(['serve', '--json']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--json and --output json need --check');
  });
});

function withTokens(folder: string): string[] {
  const path = join(folder, 'tokens.json');
  writeTokens(path, entryOf(tokenOf('a')));
  return ['--tokens', path];
}

async function takenAddress(): Promise<string> {
  const holder = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void holder.close());
  await once(holder, 'listening');
  return `127.0.0.1:${(holder.address() as AddressInfo).port}`;
}
