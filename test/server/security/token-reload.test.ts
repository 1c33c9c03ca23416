import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLogTo } from '../../../src/server/log/log.ts';
import { MAX_TOKEN_FILE_BYTES } from '../../../src/server/security/read-token-file.ts';
import { TokenReload } from '../../../src/server/security/token-reload.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { LogLines } from '../../support/log-lines.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, replaceFile, writeTokens } from '../../support/security/tokens.ts';
import { until } from '../../support/until.ts';

const WARN = 40;
const TOKEN = newToken();

/** A file that is followed, and what was logged about it. */
async function follow(path: string) {
  const lines = new LogLines();
  const log = createLogTo('info', (line) => lines.add(line));
  const tokens = new TokenReload(path, log.logger);
  onTestFinished(() => tokens.close());
  await tokens.open();
  const warnings = async () => {
    // A second line of a kind within a second is held back until here.
    await log.end();
    return lines.all.filter(({ level }) => level >= WARN).map(({ msg }) => msg);
  };
  const credentials = { authorization: `Bearer ${TOKEN}`, certificate: () => undefined };
  const principal = () => tokens.directory.authenticate(credentials);
  return { tokens, warnings, principal, stores: () => principal().stores as ReadonlySet<bigint> };
}

function text(store: string): string {
  return JSON.stringify({ version: 1, tokens: [entryOf(TOKEN, { stores: [store] })] });
}

describe('a change of the token file counts', () => {
  it('if it was replaced by a rename', async () => {
    const path = join(testFolder(), 'tokens.json');
    replaceFile(path, text('1'));
    const { stores, warnings } = await follow(path);
    for (const store of ['2', '3']) {
      replaceFile(path, text(store));
      await until(`store ${store} is in use`, () => stores().has(BigInt(store)));
    }
    expect(await warnings()).toEqual([]);
  });

  it('if it was written in place, with the same length and the same times', async () => {
    const path = join(testFolder(), 'tokens.json');
    writeFileSync(path, text('1'), { mode: 0o600 });
    const { stores, warnings } = await follow(path);
    for (const store of ['2', '3', '4', '5']) {
      writeFileSync(path, text(store));
      utimesSync(path, 1, 1);
      await until(`store ${store} is in use`, () => stores().has(BigInt(store)));
    }
    expect(await warnings()).toEqual([]);
  });

  it('if a symbolic link was swapped, as Kubernetes does it', async () => {
    const folder = testFolder();
    const mount = (name: string, store: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'tokens.json'), text(store), { mode: 0o644 });
      symlinkSync(name, join(folder, '..next'));
      renameSync(join(folder, '..next'), join(folder, '..data'));
    };
    mount('..2027_01', '1');
    symlinkSync(join('..data', 'tokens.json'), join(folder, 'tokens.json'));
    const { stores, warnings } = await follow(join(folder, 'tokens.json'));
    expect(stores()).toEqual(new Set([1n]));
    for (const store of ['2', '3']) {
      mount(`..2027_0${store}`, store);
      rmSync(join(folder, `..2027_0${Number(store) - 1}`), { recursive: true });
      await until(`store ${store} is in use`, () => stores().has(BigInt(store)));
    }
    // Once, however often the file is read.
    expect(await warnings()).toEqual([
      `every user of this machine can read the token file ${join(folder, 'tokens.json')} (mode 0644): run chmod o-r on it`,
    ]);
  });
});

describe('a broken file drops no token', () => {
  const BROKEN: readonly (readonly [string, (path: string) => void, string])[] = [
    ['no JSON', (path) => replaceFile(path, 'nonsense'), 'is invalid, correct it: it is not JSON'],
    ['half a file', (path) => replaceFile(path, text('2').slice(0, 99)), 'is invalid, correct it: it is not JSON'],
    ['an empty file', (path) => replaceFile(path, ''), 'is invalid, correct it: it is empty'],
    ['another version', (path) => replaceFile(path, '{"version":2}'), 'its version is 2'],
    ['a file that its group may write', (path) => chmodSync(path, 0o660), 'users other than its owner can write'],
    ['a file that others may write', (path) => replaceFile(path, text('2')) ?? chmodSync(path, 0o602), 'can write'],
    ['no file', (path) => rmSync(path), 'does not exist'],
    ['a folder', (path) => rmSync(path) ?? mkdirSync(path), 'is not a file'],
    ['a folder that every user may write', (path) => chmodSync(dirname(path), 0o777), 'can replace the token file'],
    ['a huge file', (path) => replaceFile(path, ' '.repeat(MAX_TOKEN_FILE_BYTES + 1)), 'more than 4194304 bytes'],
  ];

  it.each(BROKEN)('%s', async (_, breakFile, problem) => {
    const path = join(testFolder(), 'tokens.json');
    replaceFile(path, text('1'));
    const { tokens, stores, warnings } = await follow(path);
    expect(tokens.isCurrent()).toBe(true);
    breakFile(path);
    await tokens.reload();
    expect(tokens.isCurrent()).toBe(false);
    expect(stores()).toEqual(new Set([1n]));
    // Looking again finds the same version, and says nothing more.
    for (let i = 0; i < 3; i++) await tokens.reload();
    expect(tokens.failures()).toBe(1);
    const said = await warnings();
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(path);
    expect(said[0]).toContain(problem);
    expect(said[0]).toMatch(/; the tokens that were read before stay in use$/);

    chmodSync(dirname(path), 0o700);
    rmSync(path, { recursive: true, force: true });
    replaceFile(path, text('3'));
    await tokens.reload();
    expect(stores()).toEqual(new Set([3n]));
    expect(tokens.isCurrent()).toBe(true);
  });

  it('a folder in which only its owner can replace a file, such as a mounted Secret, is none', async () => {
    const path = join(testFolder(), 'tokens.json');
    replaceFile(path, text('1'));
    chmodSync(dirname(path), 0o1777);
    const { stores, warnings } = await follow(path);
    expect(stores()).toEqual(new Set([1n]));
    expect(await warnings()).toEqual([]);
  });

  it('each broken version has its own warning, and the old file put back is current again', async () => {
    const path = join(testFolder(), 'tokens.json');
    replaceFile(path, text('1'));
    const { tokens, warnings } = await follow(path);
    for (const broken of ['a', 'b', 'a']) {
      replaceFile(path, broken);
      await tokens.reload();
    }
    expect(tokens.failures()).toBe(3);
    expect(await warnings()).not.toEqual([]);
    replaceFile(path, text('1'));
    await tokens.reload();
    expect([tokens.isCurrent(), tokens.failures()]).toEqual([true, 3]);
  });

  it.each(BROKEN)('at the start it is refused: %s', async (_, breakFile, problem) => {
    const path = join(testFolder(), 'tokens.json');
    replaceFile(path, text('1'));
    breakFile(path);
    const tokens = new TokenReload(path, createLogTo('silent', () => {}).logger);
    for (let i = 0; i < 2; i++) await expect(tokens.open()).rejects.toThrow(problem);
    expect(tokens.active()).toBe(0);
  });
});

it('of two looks at once the later one wins, however long the earlier one takes', async () => {
  const path = join(testFolder(), 'tokens.json');
  replaceFile(path, text('1'));
  const { tokens, stores } = await follow(path);
  for (let i = 2; i < 14; i++) {
    // It takes longer to read than the one that replaces it.
    replaceFile(path, text('1').padEnd(MAX_TOKEN_FILE_BYTES - i));
    const looks = [tokens.reload()];
    for (let turns = 0; turns < i; turns++) await turn();
    replaceFile(path, text(String(i)));
    looks.push(tokens.reload());
    await Promise.all(looks);
    expect(stores()).toEqual(new Set([BigInt(i)]));
  }
});

it('what was opened ends within a second of the revocation', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const path = join(testFolder(), 'tokens.json');
  writeTokens(path, entryOf(TOKEN));
  const { principal } = await follow(path);
  const { ended } = principal();
  writeTokens(path, entryOf(TOKEN, { revoked: new Date().toISOString() }));
  expect(await refusalAfter(ended!)).toContain('was revoked');
});

it('what was opened ends within a second of the end of the last day, without a change of the file', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: Date.parse('2027-06-30T23:59:59Z') });
  onTestFinished(() => void vi.useRealTimers());
  const path = join(testFolder(), 'tokens.json');
  writeTokens(path, entryOf(TOKEN, { expires: '2027-06-30' }));
  const { principal } = await follow(path);
  const { ended } = principal();
  vi.setSystemTime('2027-07-01T00:00:00Z');
  expect(await refusalAfter(ended!)).toContain('expired at the end of 2027-06-30');
});

async function refusalAfter(ended: AbortSignal): Promise<string> {
  vi.advanceTimersByTime(1000);
  await until('it ended', () => ended.aborted);
  expect(ended.reason).toMatchObject({ reason: 'TOKEN_INVALID' });
  return (ended.reason as Error).message;
}
