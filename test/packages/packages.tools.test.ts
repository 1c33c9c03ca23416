import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { documentAt } from '../project/documents.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { requireTools } from '../support/required-tool.ts';
import type { OtherNpm, PackageName } from './npm.ts';
import { npm, packedOf, PACKAGES, ROOT } from './npm.ts';

// The tarballs, installed from the registry as users do, on the oldest and on the newest Node.js.

const run = promisify(execFile);
/** A binary of Node.js, without the script that would choose it. */
const NODE_PACKAGE = `node-${process.platform}-${process.arch}`;
/** Packages come from the registry, and a Node.js has 100 MB. */
const LIMIT_MS = 300_000;
/** A hanging request to the registry is retried: npm itself would wait for it for five minutes. */
const INSTALL = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel', 'warn'];
const PATIENCE = ['--fetch-timeout', '20000', '--fetch-retries', '4'];

/** A Node.js, and the npm that runs on it. */
interface Runtime {
  readonly node: string;
  readonly npm: OtherNpm;
}

describe('the client, from its tarball', () => {
  it.for([18, 26] as const)(
    'on Node.js %d: no warning, few packages, both kinds of module',
    { timeout: LIMIT_MS },
    async (major, test) => {
      requireTools(test, 'registry');
      const runtime = major === 26 ? newest() : await older('18');
      expect((await run(runtime.node, ['--version'])).stdout).toContain(`v${major}.`);
      const folder = emptyShop();
      const warnings = await install(folder, 'order-number-generator-client', runtime);
      expect(warnings.filter((line) => !/install-scripts/.test(line))).toEqual([]);
      const packages = globSync('node_modules/{*,@*/*}/package.json', { cwd: folder });
      expect(packages.length).toBeLessThanOrEqual(40);

      const address = await new LocalServer(join(testFolder(), 'orders.db')).serving();
      const example = exampleOfReadme(address);
      writeFileSync(join(folder, 'example.mjs'), example);
      writeFileSync(join(folder, 'example.cjs'), asCommonJs(example));
      for (const file of ['example.mjs', 'example.cjs']) {
        const { stdout, stderr } = await run(runtime.node, [file], { cwd: folder });
        expect({ file, stdout, stderr }).toEqual({
          file,
          stdout: 'order 100 of the store, 1 over all stores\n',
          stderr: '',
        });
      }
      writeFileSync(join(folder, 'all.cjs'), EVERYTHING);
      const { stdout, stderr } = await run(runtime.node, ['all.cjs', address], { cwd: folder });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual({
        numbers: Array.from({ length: 100 }, (_, i) => String(100 + i)),
        watched: 101,
        listed: 100,
        stores: ['7', '8', '32913'],
        isSound: true,
        refusal: 'STORE_ID_INVALID',
      });
    },
  );
});

describe('the server, from its tarball', () => {
  it('on Node.js 22.18, in a project, by npm 10', { timeout: LIMIT_MS }, async (test) => {
    requireTools(test, 'registry');
    const runtime = await older('22.18.0');
    const folder = emptyShop();
    expect(await install(folder, 'order-number-generator', runtime)).toEqual([]);
    expect(existsSync(join(folder, 'node_modules/better-sqlite3/build'))).toBe(false);
    await servesFirstNumber(folder, join(folder, 'node_modules/.bin/order-numbers'), runtime.node);
  });

  it('on Node.js 26, for the whole machine, and run by npx', { timeout: LIMIT_MS }, async (test) => {
    requireTools(test, 'registry');
    const folder = emptyShop();
    const { node, npm: own } = newest();
    const tarball = await pack('order-number-generator', folder);
    const prefix = join(folder, 'prefix');
    await npm(folder, [...INSTALL, ...PATIENCE, '--global', '--prefix', prefix, tarball], own);
    await servesFirstNumber(folder, join(prefix, 'bin/order-numbers'), node);
    const npx = ['exec', '--yes', '--prefer-offline', ...PATIENCE, `file:${tarball}`, '--'];
    const { stdout } = await npm(folder, [...npx, '--version'], own);
    expect(stdout).toBe(`${versionOf('order-number-generator')}\n`);
  });
});

/** What a shop does with the client: on a server that is not there, then on one. Nothing warns of so many calls. */
const EVERYTHING = `
const { createClient, OrderNumbersError } = require('order-number-generator-client');
const client = createClient({ address: process.argv[2] });
(async () => {
  const nowhere = createClient({ address: '127.0.0.1:1', timeoutMs: 1000 });
  await Promise.allSettled(Array.from({ length: 20 }, () => nowhere.allocate({ storeId: 7 })));
  nowhere.close();
  const requests = Array.from({ length: 100 }, (_, i) => client.allocate({ storeId: 7, requestId: 'r' + i }));
  const numbers = (await Promise.all(requests)).map(({ orderNumber }) => String(orderNumber));
  await client.createStore({ storeId: 8, prefix: 'W-' });
  let watched = 0;
  for await (const { allocations } of client.watchAllocations({ afterOrderId: 0 })) {
    watched += allocations.length;
    if (watched > 100) break;
  }
  let listed = 0;
  for await (const _ of client.listAllocations({ storeId: 7, pageSize: 30 })) listed++;
  const stores = [];
  for await (const { storeId } of client.listStores()) stores.push(String(storeId));
  let isSound;
  for await (const step of client.verifyLedger()) if (step.kind === 'verdict') isSound = step.ok;
  const refusal = await client.allocate({ storeId: 0 }).catch((error) => error instanceof OrderNumbersError && error.reason);
  client.close();
  console.log(JSON.stringify({ numbers, watched, listed, stores, isSound, refusal }));
})();
`;

/** The first block of code of the client's README. */
function exampleOfReadme(address: string): string {
  const { text } = documentAt('packages/client/README.md');
  const code = /^```ts\n([^]*?)^```$/m.exec(text)![1]!;
  expect(code).toContain("'localhost:50051'");
  return code.replace('localhost:50051', address);
}

function asCommonJs(code: string): string {
  const [, names, rest] = /^import (\{.*?\}) from 'order-number-generator-client';\n([^]*)$/.exec(code)!;
  const required = `const ${names} = require('order-number-generator-client');`;
  expect(documentAt('packages/client/README.md').text).toContain(`\`${required}\``);
  return `${required}\n(async () => {${rest}})();`;
}

/** An older Node.js, and npm 10, which comes with it or runs on it. */
async function older(version: string): Promise<Runtime> {
  const folder = emptyShop();
  await npm(folder, [...INSTALL, ...PATIENCE, `node@npm:${NODE_PACKAGE}@${version}`, 'npm@10']);
  const node = join(folder, 'node_modules/node/bin/node');
  const cli = join(folder, 'node_modules/npm/bin/npm-cli.js');
  return { node, npm: { cli, nodeFolder: dirname(node) } };
}

/** The Node.js of this repository, and the npm of this machine. */
function newest(): Runtime {
  const folders = process.env['PATH']!.split(delimiter).filter((folder) => !folder.startsWith(ROOT));
  const command = folders.map((folder) => join(folder, 'npm')).find((path) => existsSync(path))!;
  return { node: process.execPath, npm: { cli: realpathSync(command), nodeFolder: dirname(process.execPath) } };
}

/** Resolves to npm's warnings. */
async function install(folder: string, name: PackageName, runtime: Runtime): Promise<string[]> {
  const tarball = await pack(name, folder);
  const { stderr } = await npm(folder, [...INSTALL, ...PATIENCE, tarball], runtime.npm);
  return stderr.split('\n').filter((line) => /^npm (warn|error)/i.test(line));
}

/** The path of the tarball. */
async function pack(name: PackageName, folder: string): Promise<string> {
  const { stdout } = await npm(PACKAGES[name], ['pack', '--json', '--pack-destination', folder]);
  return join(folder, packedOf(stdout).filename);
}

/** `--version`, `serve`, `health` and the first number, by an installed command. */
async function servesFirstNumber(folder: string, command: string, node: string): Promise<void> {
  const env = { ...process.env, PATH: [dirname(node), process.env['PATH']].join(delimiter) };
  const say = async (...args: string[]) => (await run(command, args, { cwd: folder, env })).stdout;
  expect(await say('--version')).toBe(`${versionOf('order-number-generator')}\n`);
  const listeners = ['--grpc-listen', '--http-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = ['serve', '--ledger', join(folder, 'orders.db'), ...listeners];
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const kill = async () => {
    child.kill('SIGKILL');
    await closed;
  };
  onTestFinished(kill);
  let address = '';
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, grpc } = JSON.parse(line) as { msg: string; grpc?: string };
    if (msg === 'serving') address = grpc!;
    if (address !== '') break;
  }
  expect(await say('health', '--server', address)).toBe('serving\n');
  const first = await say('allocate', '--store', '7', '--request-id', 'cart-1', '--server', address, '--json');
  expect(JSON.parse(first)).toMatchObject({ allocation: { orderId: '1', orderNumber: '100' } });
}

function versionOf(name: PackageName): string {
  return (JSON.parse(readFileSync(join(PACKAGES[name], 'package.json'), 'utf8')) as { version: string }).version;
}

/** Not in memory: a Node.js has 100 MB. */
function emptyShop(): string {
  const folder = mkdtempSync(join(tmpdir(), 'order-numbers-shop-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'a-shop', private: true }));
  return folder;
}
