import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { compileCacheFolder } from '../../src/cli/compile-cache.js';
import { orderNumbers } from '../support/processes/order-numbers-command.ts';
import { testFolder } from '../support/processes/server-process.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const THREAD = join(ROOT, 'src/engines/sqlite/threads/thread.ts');
const OURS = join(ROOT, 'node_modules/.cache/order-numbers');
/** Says at the end where the cache is. The tests run with a cache of their own. */
const TELL = `data:text/javascript,
  import { getCompileCacheDir } from 'node:module';
  process.on('exit', () => console.error(String(getCompileCacheDir())));`;

afterEach(() => vi.restoreAllMocks());

it('the cache folder is created inside the package, for its user alone', () => {
  const root = testFolder();
  const folder = join(root, 'node_modules/.cache/order-numbers');
  expect(compileCacheFolder(root)).toBe(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  mkdirSync(join(folder, 'v26'));
  expect(compileCacheFolder(root)).toBe(folder);
});

it.each([
  ['that others may write', (folder: string) => chmodSync(folder, 0o777)],
  ['that a group may write', (folder: string) => chmodSync(folder, 0o770)],
  [
    'with a folder inside that others may write',
    (folder: string) => {
      mkdirSync(join(folder, 'v26'));
      chmodSync(join(folder, 'v26'), 0o777);
    },
  ],
  [
    'that is a link elsewhere',
    (folder: string) => {
      rmSync(folder, { recursive: true });
      symlinkSync(testFolder(), folder);
    },
  ],
  [
    'that is a file',
    (folder: string) => {
      rmSync(folder, { recursive: true });
      writeFileSync(folder, '');
    },
  ],
  ['of another user', () => vi.spyOn(process, 'getuid').mockReturnValue(process.getuid!() + 1)],
])('no cache is used in a folder %s', (_, spoil) => {
  const root = testFolder();
  spoil(compileCacheFolder(root)!);
  expect(compileCacheFolder(root)).toBeUndefined();
});

it("nothing is created in another user's package, or without a package", () => {
  const root = testFolder();
  vi.spyOn(process, 'getuid').mockReturnValue(process.getuid!() + 1);
  expect(compileCacheFolder(root)).toBeUndefined();
  expect(() => statSync(join(root, 'node_modules'))).toThrow('ENOENT');
  expect(compileCacheFolder('/proc/order-numbers')).toBeUndefined();
});

it.each([
  ['the package', {}, OURS],
  ['NODE_COMPILE_CACHE', { NODE_COMPILE_CACHE: join(OURS, '../another') }, join(OURS, '../another')],
  ['nowhere, with NODE_DISABLE_COMPILE_CACHE', { NODE_DISABLE_COMPILE_CACHE: '1' }, 'undefined'],
])('compiled code is kept in %s', async (_, variables, folder) => {
  const env = { NODE_COMPILE_CACHE: '', ...variables };
  const { exitCode, stderr } = await orderNumbers(['--version'], { env, nodeArgs: ['--import', TELL] });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringMatching(new RegExp(`^${folder}`)) });
});

it("a ledger's thread uses the cache of its process", async () => {
  const folder = testFolder();
  const thread = join(folder, 'thread.mjs');
  writeFileSync(
    thread,
    `import { getCompileCacheDir } from 'node:module';
     import { serveThread } from '${THREAD}';
     serveThread({ where: getCompileCacheDir });`,
  );
  const main = join(folder, 'main.mjs');
  writeFileSync(
    main,
    `import { enableCompileCache, getCompileCacheDir } from 'node:module';
     import { Thread } from '${THREAD}';
     enableCompileCache('${folder}');
     const thread = new Thread(new URL('file://${thread}'), {});
     console.log(getCompileCacheDir() + ' ' + (await thread.call('where')));
     await thread.terminate();`,
  );
  const env = { ...process.env, NODE_COMPILE_CACHE: '' };
  const { stdout } = await promisify(execFile)(process.execPath, [main], { env });
  const [own, ofThread] = stdout.trim().split(' ');
  expect(ofThread).toBe(own);
  expect(own).toMatch(/^\/.*\/v\d/);
});
