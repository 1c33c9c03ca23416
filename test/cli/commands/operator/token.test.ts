import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../../src/client/index.ts';
import { lockExclusively } from '../../../../src/engines/sqlite/file/exclusive-lock.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { orderNumbers } from '../../../support/processes/order-numbers-command.ts';
import { ORDER_NUMBERS, testFolder } from '../../../support/processes/server-process.ts';
import type { FileEntry } from '../../../support/security/tokens.ts';
import { entryOf, tokenOf, writeTokens } from '../../../support/security/tokens.ts';
import { until } from '../../../support/until.ts';

/** Entries of a file of 3 MB. */
const MANY = Array.from({ length: 8000 }, (_, i) => entryOf(tokenOf(String(i)), { name: `n${i}` }));
const RIGHTS = ['--stores', '7,8', '--verbs', 'allocate,read'];

/** The calls that write a file, in their order: the process ends in the middle of the first or before another one. */
const MOMENTS = ['writeFileSync', 'fsyncSync', 'renameSync', 'fsyncSync'];

function newFile(...entries: readonly FileEntry[]): string {
  const path = join(testFolder(), 'tokens.json');
  if (entries.length > 0) writeTokens(path, ...entries);
  return path;
}

function token(verb: string, path: string, ...args: readonly string[]) {
  return localOrderNumbers(['token', verb, '--tokens', path, ...args]);
}

function entriesOf(path: string): readonly FileEntry[] {
  const { version, tokens } = JSON.parse(readFileSync(path, 'utf8')) as { version: number; tokens: FileEntry[] };
  expect(version).toBe(1);
  return tokens;
}

describe('token create', () => {
  it('prints the token alone, once, and keeps its hash in a file of mode 0600', async () => {
    const path = newFile();
    const args = ['--name', 'checkout-eu', ...RIGHTS, '--expires', '9999-12-31'];
    const { exitCode, stdout, stderr } = await token('create', path, ...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^ordn_[0-9A-Za-z]{49}\n$/) });
    expect(stderr).toBe(
      'checkout-eu may allocate, read in stores 7,8 until the end of 9999-12-31 (UTC)\n' +
        'keep the token secret: it is not shown again\n',
    );
    const sha256 = createHash('sha256').update(stdout.trim()).digest('hex');
    const expected = { sha256, stores: ['7', '8'], verbs: ['allocate', 'read'], expires: '9999-12-31' };
    expect(entriesOf(path)).toEqual([{ name: 'checkout-eu', ...expected }]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['tokens.json', 'tokens.json.lock']);
    expect(statSync(`${path}.lock`).mode & 0o077).toBe(0);
  });

  it('with --san prints no token, and names the certificate in the file', async () => {
    const path = newFile();
    const args = ['--name', 'audit', '--stores', 'all', '--verbs', 'read,verify', '--san', 'DNS:Audit.example'];
    expect(await token('create', path, ...args)).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'audit may read, verify in all stores, with a client certificate for DNS:audit.example\n',
    });
    expect(entriesOf(path)).toEqual([
      { name: 'audit', san: 'DNS:audit.example', stores: 'all', verbs: ['read', 'verify'] },
    ]);
  });

  it('takes stores and verbs once each, with white space, and ids up to 2^63-1', async () => {
    const path = newFile();
    const stores = ' 7, 007,9223372036854775807';
    const args = ['--name', 'a', '--stores', stores, '--verbs', 'read, read,metrics', '--json'];
    const { stdout, stderr } = await token('create', path, ...args);
    expect(stderr).toBe('');
    const rights = { stores: ['7', '9223372036854775807'], verbs: ['read', 'metrics'] };
    const shown = { name: 'a', san: null, ...rights, expires: null, revoked: null, state: 'active' };
    expect(JSON.parse(stdout)).toEqual({ ...shown, token: expect.stringMatching(/^ordn_/) });
    expect(entriesOf(path)).toMatchObject([rights]);
  });

  it.each<[what: string, args: readonly string[], message: RegExp]>([
    ['a name with a space', ['--name', 'a b', ...RIGHTS], /'a b' is invalid\. Use 1 to 64 characters/],
    ['a long name', ['--name', 'x'.repeat(65), ...RIGHTS], /Use 1 to 64 characters/],
    ['no name', RIGHTS, /required option '--name <name>' not specified/],
    ['no stores', ['--name', 'a', '--verbs', 'read'], /required option '--stores <ids\|all>' not specified/],
    ['no verbs', ['--name', 'a', '--stores', 'all'], /required option '--verbs <verbs>' not specified/],
    [
      'store 0',
      ['--name', 'a', '--stores', '0', '--verbs', 'read'],
      /'0' is invalid\. Use all, or store ids such as 7,8/,
    ],
    ['store 2^63', ['--name', 'a', '--stores', '9223372036854775808', '--verbs', 'read'], /Use all, or store ids/],
    ['all and more', ['--name', 'a', '--stores', 'all,7', '--verbs', 'read'], /Use all, or store ids/],
    ['an unknown verb', ['--name', 'a', '--stores', '7', '--verbs', 'read,write'], /Use one or more of allocate,read,/],
    ['an empty verb', ['--name', 'a', '--stores', '7', '--verbs', 'read,'], /Use one or more of allocate,read,/],
    [
      'yesterday',
      ['--name', 'a', ...RIGHTS, '--expires', dayFromNow(-1)],
      /That day is in the past\. Use today or a later day/,
    ],
    [
      'no day',
      ['--name', 'a', ...RIGHTS, '--expires', '2027-02-29'],
      /'2027-02-29' is invalid\. Use today or a later day/,
    ],
    ['a time', ['--name', 'a', ...RIGHTS, '--expires', '2027-06-30T12:00:00Z'], /Use today or a later day/],
    ['an address as a san', ['--name', 'a', ...RIGHTS, '--san', 'IP:127.0.0.1'], /Use a name in the certificate/],
  ])('refuses %s with exit code 2, and creates nothing', async (_, args, message) => {
    const path = newFile();
    const { exitCode, stdout, stderr } = await token('create', path, ...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('takes today as the last day', async () => {
    const path = newFile();
    expect(await token('create', path, '--name', 'a', ...RIGHTS, '--expires', dayFromNow(0))).toMatchObject({
      exitCode: 0,
    });
  });

  it('refuses a name that was given before, revoked or not, and a certificate that has rights', async () => {
    const san = 'URI:spiffe://shop/a';
    const path = newFile(
      entryOf(tokenOf('1'), { name: 'used' }),
      entryOf(tokenOf('2'), { name: 'old', revoked: '2026-01-02T03:04:05Z' }),
      entryOf('', { name: 'cert', san }),
      entryOf(tokenOf('3'), { name: 'used-2' }),
    );
    const before = readFileSync(path, 'utf8');
    const refused = async (...args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await token('create', path, ...args, ...RIGHTS);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      return stderr;
    };
    const why = 'and names are never reused, because the ledger records them; choose another one, such as';
    expect(await refused('--name', 'used')).toBe(`error: the name used is taken, ${why} used-3\n`);
    expect(await refused('--name', 'old')).toBe(
      `error: the name old is taken (revoked at 2026-01-02T03:04:05Z), ${why} old-2\n`,
    );
    expect(await refused('--name', 'new', '--san', san)).toBe(
      `error: ${san} already belongs to cert: revoke cert first\n`,
    );
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it('that cannot show the token leaves no entry', async () => {
    const path = newFile(entryOf(tokenOf('1'), { name: 'other' }));
    const child = spawn(
      process.execPath,
      [ORDER_NUMBERS, 'token', 'create', '--tokens', path, '--name', 'lost', ...RIGHTS],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child.stdout.destroy();
    const said: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => said.push(String(chunk)));
    await once(child, 'close');
    expect(child.exitCode).toBe(1);
    expect(said.join('')).toMatch(/^error: cannot write to standard output: .*EPIPE\n$/);
    expect(entriesOf(path).map(({ name }) => name)).toEqual(['other']);
  });
});

describe('token list', () => {
  const entries = [
    entryOf(tokenOf('1'), { name: 'checkout', stores: ['7', '8'], verbs: ['allocate', 'read'], expires: '9999-12-31' }),
    entryOf(tokenOf('2'), { name: 'old', stores: 'all', verbs: ['read'], expires: '2020-12-31' }),
    entryOf(tokenOf('3'), {
      name: 'gone',
      verbs: ['verify'],
      stores: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
    }),
    entryOf('', { name: 'cert', san: 'URI:spiffe://shop/a', verbs: ['manage'] }),
  ];
  entries[2] = { ...entries[2]!, revoked: '2026-01-02T03:04:05Z' };

  it('shows a table, and never a hash', async () => {
    const path = newFile(...entries);
    const { exitCode, stdout, stderr } = await token('list', path);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual([
      'NAME      STATE    EXPIRES     VERBS          STORES                      CERTIFICATE',
      'checkout  active   9999-12-31  allocate,read  7,8',
      'old       expired  2020-12-31  read           all',
      'gone      revoked  never       verify         1,2,3,4,5,6,7,8 and 2 more',
      'cert      active   never       manage         all                         URI:spiffe://shop/a',
    ]);
    // It only reads.
    expect(readdirSync(join(path, '..'))).toEqual(['tokens.json']);
  });

  it('with --json shows every field but the hash', async () => {
    const { stdout } = await token('list', newFile(...entries), '--json');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([
      { ...shownOf(entries[0]!), state: 'active' },
      { ...shownOf(entries[1]!), state: 'expired' },
      { ...shownOf(entries[2]!), state: 'revoked' },
      { ...shownOf(entries[3]!), state: 'active' },
    ]);
  });

  it('warns of a file that others may read', async () => {
    const path = newFile(...entries);
    chmodSync(path, 0o644);
    const { exitCode, stderr } = await token('list', path);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: `warning: every user of this machine can read the token file ${path} (mode 0644): run chmod o-r on it\n`,
    });
  });
});

describe('token revoke', () => {
  it('keeps the entry, says when it was revoked, and says so again the second time', async () => {
    const entry = entryOf(tokenOf('1'), { name: 'checkout', expires: '9999-12-31' });
    const other = entryOf(tokenOf('2'), { name: 'other' });
    const path = newFile(entry, other);
    expect(await token('revoke', path, '--name', 'checkout')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'checkout is revoked\n',
    });
    const [{ revoked } = entry] = entriesOf(path);
    expect(Math.abs(Date.parse(revoked!) - Date.now())).toBeLessThan(60_000);
    expect(entriesOf(path)).toEqual([{ ...entry, revoked }, other]);
    expect(await token('revoke', path, '--name', 'checkout')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `checkout was already revoked at ${revoked}; nothing was changed\n`,
    });
    expect(entriesOf(path)).toEqual([{ ...entry, revoked }, other]);
    const { stdout } = await token('revoke', path, '--name', 'other', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'other', state: 'revoked' });
  });

  it('refuses a name that has no entry', async () => {
    const path = newFile(entryOf(tokenOf('1')));
    expect(await token('revoke', path, '--name', 'other')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `error: ${path} has no entry named other: see order-numbers token list --tokens ${path}\n`,
    });
  });
});

describe('the file', () => {
  it.each(['create', 'list', 'revoke'])('a broken one is refused by token %s, and not changed', async (verb) => {
    const path = newFile();
    writeFileSync(path, '{"version":1,"tokens":[{"name":"a"}]}', { mode: 0o600 });
    const args = verb === 'list' ? [] : ['--name', 'b', ...(verb === 'create' ? RIGHTS : [])];
    expect(await token(verb, path, ...args)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `error: the token file ${path} is invalid, correct it: tokens[0] ("a") needs either sha256 or san\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe('{"version":1,"tokens":[{"name":"a"}]}');
    expect(readdirSync(join(path, '..'))).toEqual(['tokens.json']);
  });

  it.each(['list', 'revoke'])('token %s does not create it', async (verb) => {
    const path = newFile();
    const { exitCode, stderr } = await token(verb, path, ...(verb === 'list' ? [] : ['--name', 'a']));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`error: the token file ${path} does not exist`);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('is asked for, and may come from the variable', async () => {
    const path = newFile(entryOf(tokenOf('1')));
    const none = { exitCode: 2, stdout: '', stderr: expect.stringContaining("'--tokens <file>' not specified") };
    expect(await localOrderNumbers(['token', 'list'])).toEqual(none);
    expect(await localOrderNumbers(['token', 'list'], { env: { ORDERS_TOKENS: path } })).toMatchObject({ exitCode: 0 });
    const off = await localOrderNumbers(['token', 'list'], { env: { ORDERS_TOKENS: 'off' } });
    expect(off).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('Use the path of a token file') });
    const mixedUp = await localOrderNumbers(['token', 'list'], { env: { ORDERS_TOKENS: tokenOf('1') } });
    expect(mixedUp).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("value 'ordn_…' from env") });
  });

  it.each([0o600, 0o640, 0o644])('keeps its mode %o', async (mode) => {
    const path = newFile(entryOf(tokenOf('1')));
    chmodSync(path, mode);
    expect(await token('create', path, '--name', 'b', ...RIGHTS)).toMatchObject({ exitCode: 0 });
    expect(statSync(path).mode & 0o777).toBe(mode);
  });

  it('is found through symbolic links, which stay', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'real'));
    const real = join(folder, 'real', 'tokens.json');
    writeTokens(real, entryOf(tokenOf('1')));
    const link = join(folder, 'link.json');
    symlinkSync(real, link);
    expect(await token('create', link, '--name', 'b', ...RIGHTS)).toMatchObject({ exitCode: 0 });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(entriesOf(real).map(({ name }) => name)).toEqual(['checkout', 'b']);
    expect(existsSync(`${real}.lock`)).toBe(true);
    expect(readdirSync(folder).toSorted()).toEqual(['link.json', 'real']);

    symlinkSync(join(folder, 'nowhere.json'), join(folder, 'dangling.json'));
    const dangling = await token('create', join(folder, 'dangling.json'), '--name', 'c', ...RIGHTS);
    expect(dangling).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('is a broken symbolic link'),
    });
    const missing = await token('create', join(folder, 'missing', 'tokens.json'), '--name', 'c', ...RIGHTS);
    expect(missing).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`the folder ${join(folder, 'missing')} does`),
    });
  });
});

describe('commands at once', () => {
  it('lose no entry', async () => {
    // Large, so that each needs some time between reading and writing.
    const many = MANY.slice(0, 1000);
    const path = newFile(...many);
    const names = Array.from({ length: 6 }, (_, i) => `new${i}`);
    const results = await Promise.all(
      names.map((name) => orderNumbers(['token', 'create', '--tokens', path, '--name', name, ...RIGHTS])),
    );
    expect(results.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    const created = entriesOf(path).slice(many.length);
    expect(created.map(({ name }) => name).toSorted()).toEqual(names);
    const printed = results.map(({ stdout }) => createHash('sha256').update(stdout.trim()).digest('hex'));
    expect(created.map(({ sha256 }) => sha256).toSorted()).toEqual(printed.toSorted());
  });

  it('give a name once', async () => {
    const path = newFile();
    const create = ['token', 'create', '--tokens', path, '--name', 'same', ...RIGHTS];
    const results = await Promise.all([orderNumbers(create), orderNumbers(create)]);
    expect(results.map(({ exitCode }) => exitCode).toSorted()).toEqual([0, 1]);
    expect(entriesOf(path)).toHaveLength(1);
  });

  it('lock no file through a link that somebody has put in the place of the lock', async () => {
    const path = newFile(entryOf(tokenOf('1')));
    const elsewhere = join(testFolder(), 'elsewhere');
    symlinkSync(elsewhere, `${path}.lock`);
    const { exitCode, stderr } = await token('revoke', path, '--name', 'checkout');
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining(`${path}.lock is a link or not a regular file; remove it`),
    ]);
    expect(existsSync(elsewhere)).toBe(false);
  });

  it('are told to run again if another one takes too long', async () => {
    const path = newFile(entryOf(tokenOf('1')));
    const lock = lockExclusively(`${path}.lock`, 0o600)!;
    onTestFinished(() => lock.release());
    const before = readFileSync(path, 'utf8');
    expect(await orderNumbers(['token', 'revoke', '--tokens', path, '--name', 'checkout'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `error: another command is changing ${path}; nothing was changed: run this command again\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe(before);
  });
});

describe('a large file', () => {
  it('is never read half, whatever is being written', async () => {
    const path = newFile(...MANY);
    // It is locked before it is read.
    const lock = `${path}.lock`;
    const command = { isRunning: true };
    const running = orderNumbers(['token', 'create', '--tokens', path, '--name', 'new', ...RIGHTS]).finally(
      () => (command.isRunning = false),
    );
    const endings = new Set([readFileSync(path, 'utf8').slice(-2)]);
    await until('the command begins', () => existsSync(lock), 5);
    while (command.isRunning) {
      endings.add(readFileSync(path, 'utf8').slice(-2));
      await turn();
    }
    endings.add(readFileSync(path, 'utf8').slice(-2));
    expect(await running).toMatchObject({ exitCode: 0 });
    // As the test has written it, and as the command writes it.
    expect([...endings].toSorted()).toEqual(['}\n', ']}'].toSorted());
    expect(entriesOf(path)).toHaveLength(MANY.length + 1);
  });

  it('is the old or the new one after kill -9 at any moment of its writing, and the next command goes on', async () => {
    const path = newFile(...MANY.slice(0, 100));
    const args = ['token', 'create', '--tokens', path, ...RIGHTS, '--name'];
    const counts: number[] = [];
    for (const call of MOMENTS.keys()) {
      const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(killAt(call))}`];
      expect(await orderNumbers([...args, `k${call}`], { nodeArgs })).toMatchObject({ exitCode: null, stdout: '' });
      expect(entriesOf(path).slice(0, 100)).toEqual(MANY.slice(0, 100));
      counts.push(entriesOf(path).length);
    }
    expect(counts).toEqual([100, 100, 100, 101]);
    expect(await token('create', path, '--name', 'last', ...RIGHTS)).toMatchObject({ exitCode: 0 });
    expect(
      entriesOf(path)
        .map(({ name }) => name)
        .slice(100),
    ).toEqual(['k3', 'last']);
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['tokens.json', 'tokens.json.lock']);
  });
});

it('a token that was created works, and once revoked works no longer', async () => {
  const path = newFile();
  const create = await token('create', path, '--name', 'checkout', ...RIGHTS);
  const server = new LocalServer(join(testFolder(), 'orders.db'), { args: ['--tokens', path] });
  const client = createClient({ address: await server.serving(), token: create.stdout.trim() });
  onTestFinished(() => client.close());
  expect(await client.allocate({ storeId: 7 })).toMatchObject({ orderId: 1n, caller: 'checkout' });
  await token('revoke', path, '--name', 'checkout');
  await until('it is refused', async () => {
    const error = await client.allocate({ storeId: 7 }).then(() => undefined, String);
    return error?.includes('the access of checkout was revoked') ?? false;
  });
});

function shownOf(entry: FileEntry) {
  return { san: null, expires: null, revoked: null, ...entry, sha256: undefined };
}

function dayFromNow(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}

/** A module that ends its process by kill -9 at this one of {@link MOMENTS}. */
function killAt(call: number): string {
  return `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const due = ${JSON.stringify(MOMENTS.slice(0, call + 1))};
    for (const name of new Set(due)) {
      const real = fs[name];
      fs[name] = (...args) => {
        if (due[0] === name) due.shift();
        if (due.length > 0) return real(...args);
        if (name === 'writeFileSync') real(args[0], args[1].slice(0, args[1].length / 2));
        process.kill(process.pid, 'SIGKILL');
      };
    }
    syncBuiltinESMExports();`;
}
