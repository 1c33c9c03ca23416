import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freeAddress } from '../support/network/free-address.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import type { PackageName } from './npm.ts';
import { npm, PACKAGES, packedOf, ROOT } from './npm.ts';

// What a registry would get, without one: packages.tools.test.ts installs the same from tarballs.

const run = promisify(execFile);
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const SERVER = 'order-number-generator';
const CLIENT = 'order-number-generator-client';
const NAMES = Object.keys(PACKAGES) as PackageName[];
/** The time to build, on a machine that does much else. */
const LIMIT_MS = 180_000;

/** What npm said of each. */
let published: Readonly<
  Record<PackageName, { readonly files: readonly string[]; readonly warnings: readonly string[] }>
>;

beforeAll(async () => {
  const [server, client] = await Promise.all([dryRun(PACKAGES[SERVER]), dryRun(PACKAGES[CLIENT])]);
  published = { [SERVER]: server, [CLIENT]: client };
}, LIMIT_MS);

describe.each(NAMES)('npm publish would take %s', (name) => {
  it('as it is: complete, public, and without a correction', () => {
    const manifest = manifestOf(PACKAGES[name]);
    expect(manifest).toMatchObject({ name, version: manifestOf(ROOT)['version'], license: 'MIT' });
    expect(manifest).not.toHaveProperty('private');
    expect(published[name].warnings).toEqual([]);
  });

  it('with all files that its code loads, and all types that its types need', () => {
    const { files } = published[name];
    const folder = PACKAGES[name];
    const missing = files.flatMap((path) => {
      if (!/^(bin|dist)\/.*\.m?js$/.test(path) && path !== 'index.mjs') return [];
      return loadedBy(join(folder, path)).map((specifier) => join(dirname(path), specifier));
    });
    // In the repository, the command runs from source.
    expect(missing.filter((path) => !files.includes(path) && path !== 'src/cli/order-numbers.js')).toEqual([]);
    const reached = reachedTypes(folder, 'dist/client/index.d.ts');
    expect(reached.filter((path) => !files.includes(path))).toEqual([]);
    expect(reached).toContain('dist/client/api.d.ts');
  });
});

it('the server has each source as JavaScript, each asset, the proto, and nothing else', () => {
  const sources = globSync('src/**/*', { cwd: ROOT, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = sources.map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
  const compiled = paths
    // Types of packages, which compile to nothing.
    .filter((path) => !path.endsWith('tsconfig.json') && !path.endsWith('.d.ts'))
    .map((path) => path.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js'));
  const others = ['CHANGELOG.md', 'LICENSE', 'README.md', 'bin/order-numbers.js', 'package.json'];
  const proto = ['proto/orders/v1/orders.proto'];
  const { files } = published[SERVER];
  expect(files.filter((path) => !path.endsWith('.d.ts')).toSorted()).toEqual(
    [...compiled, ...others, ...proto].toSorted(),
  );
  expect(files.filter((path) => path.endsWith('.d.ts') && !path.startsWith('dist/client/'))).toEqual([]);
});

it('the client has what its sources load, and no part of the server', () => {
  const { files } = published[CLIENT];
  expect(files.filter((path) => !path.startsWith('dist/'))).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'index.d.mts',
    'index.mjs',
    'package.json',
  ]);
  const folders = files.map((path) => path.split('/')).filter(([first]) => first === 'dist');
  expect(new Set(folders.map(([, room]) => room))).toEqual(new Set(['client', 'core', 'wire']));
  expect(files.filter((path) => /health|reflection|_pb|library-log/.test(path) && path.endsWith('.js'))).toEqual([]);
});

it('the client needs what its code requires, as this repository tests it or newer', () => {
  const own = manifestOf(ROOT)['dependencies'] as Record<string, string>;
  const needed = manifestOf(PACKAGES[CLIENT])['dependencies'] as Record<string, string>;
  const expected = ['@bufbuild/protobuf', '@grpc/grpc-js'];
  expect(needed).toEqual(Object.fromEntries(expected.map((name) => [name, `^${own[name]}`])));
  const code = published[CLIENT].files.filter((path) => path.endsWith('.js'));
  const text = code.map((path) => readFileSync(join(PACKAGES[CLIENT], path), 'utf8')).join('\n');
  const required = [...text.matchAll(/\brequire\("((?:@[^/"]+\/)?[^./"][^/"]*)/g)];
  const names = new Set(required.map((match) => match[1]!).filter((name) => !name.startsWith('node:')));
  expect([...names].toSorted()).toEqual(expected);
});

it('the client works by import and by require, which share one copy of it', async () => {
  const address = await new LocalServer(join(testFolder(), 'orders.db')).serving();
  const folder = shopWith(CLIENT);
  writeFileSync(join(folder, 'use.cjs'), USE);
  const { stdout, stderr } = await run(process.execPath, ['use.cjs', address], { cwd: folder });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    storeId: '9007199254740993',
    orderNumbers: ['100', '100'],
    replayed: [false, true],
    refusal: 'STORE_ID_INVALID',
    exported: ['OrderNumbersError', 'createClient'],
    sameClass: true,
  });
});

it('both have types for ES modules, and the client for CommonJS, too', { timeout: LIMIT_MS }, async () => {
  const folder = shopWith(...NAMES);
  const consumers = [
    [SERVER, 'server', 'mts'] as const,
    [CLIENT, 'client', 'mts'] as const,
    [CLIENT, 'client', 'cts'] as const,
  ];
  const files = consumers.flatMap(([name, prefix, kind]) => {
    const [good, wrong] = [`${prefix}-good.${kind}`, `${prefix}-wrong.${kind}`];
    writeFileSync(join(folder, good), RIGHT_CALLS.replaceAll('PACKAGE', name));
    writeFileSync(join(folder, wrong), [HEADER.replaceAll('PACKAGE', name), ...WRONG_CALLS].join('\n'));
    return [good, wrong];
  });
  const wrong = files.filter((file) => file.includes('-wrong.'));
  const places = wrong.flatMap((file) => WRONG_CALLS.map((_, line) => `${file}(${line + 2}`));
  expect(await typeErrors(folder, files)).toEqual(places.toSorted());
});

it('the server serves, compiled', async () => {
  const folder = shopWith(SERVER);
  const command = join(folder, 'node_modules', SERVER, 'bin/order-numbers.js');
  expect(existsSync(join(folder, 'node_modules', SERVER, 'src'))).toBe(false);
  const listeners = ['--grpc-listen', '--http-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const child = spawn(process.execPath, [command, 'serve', '--ledger', join(folder, 'orders.db'), ...listeners], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line.includes('"msg":"serving"')) break;
  }
  const { http } = JSON.parse(said.at(-1)!) as { http: string };
  const page = await fetch(`http://${http}/`);
  expect({ status: page.status, text: await page.text() }).toMatchObject({
    status: 200,
    text: expect.stringMatching(/^<!doctype html>/i),
  });
  const order = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"store_id": 7}' };
  const answer = await fetch(`http://${http}/api/generateOrderNumber`, order);
  expect(await answer.json()).toEqual({ OrderID: 1, OrderNumber: 100, StoreID: 7 });
});

const USE = `
const { createClient, OrderNumbersError } = require('${CLIENT}');
(async () => {
  const imported = await import('${CLIENT}');
  const client = imported.createClient({ address: process.argv[2] });
  const first = await client.allocate({ storeId: 9007199254740993n, requestId: 'a' });
  const again = await client.allocate({ storeId: 9007199254740993n, requestId: 'a' });
  const refusal = await client.allocate({ storeId: 0 }).catch((error) => error);
  client.close();
  console.log(JSON.stringify({
    storeId: String(first.storeId),
    orderNumbers: [String(first.orderNumber), String(again.orderNumber)],
    replayed: [first.replayed, again.replayed],
    refusal: refusal instanceof OrderNumbersError && refusal.reason,
    exported: Object.keys(imported),
    sameClass: imported.OrderNumbersError === OrderNumbersError && imported.createClient === createClient,
  }));
})();
`;

const RIGHT_CALLS = `
import type { Allocated, ClientOptions, ConnectionProblem, OrderNumbersClient } from 'PACKAGE';
import { createClient, OrderNumbersError } from 'PACKAGE';
const options: ClientOptions = { address: 'localhost:50051', token: 'secret', tls: { ca: 'PEM' } };
const client: OrderNumbersClient = createClient(options);
export async function number(storeId: bigint): Promise<string> {
  const allocated: Allocated = await client.allocate({ storeId, count: 2 });
  for await (const { allocations, cursor } of client.watchAllocations({ afterOrderId: 0 })) {
    const last: bigint | undefined = allocations[0]?.orderId ?? cursor;
    if (last > 9n) break;
  }
  for await (const step of client.verifyLedger()) if (step.kind === 'verdict' && !step.ok) return String(step.rows);
  return allocated.displayNumber + allocated.createTime.toISOString();
}
export const isUnknown = (error: unknown) => error instanceof OrderNumbersError && error.outcome === 'unknown';
export const problemOf = (error: OrderNumbersError): ConnectionProblem | undefined => error.connectionProblem;
`;
const HEADER = `import { createClient } from 'PACKAGE'; const client = createClient({ address: 'a:1' });`;
/** One mistake per line, each detectable only by types. */
const WRONG_CALLS = [
  `export const a = () => client.allocate({ storeId: '1' });`,
  `export const b = () => client.allocate({ store_id: 1 });`,
  `export const c = () => client.getAllocation({ storeId: 1 });`,
  `export const d = async () => { const id: number = (await client.getStore(1)).firstNumber; return id; };`,
];

/** Publishes to nowhere: with --dry-run npm asks the registry for older versions only, and does without an answer. */
async function dryRun(folder: string) {
  const nowhere = ['--registry', `http://${await freeAddress()}/`, '--fetch-retries', '0'];
  const { stdout, stderr } = await npm(folder, ['publish', '--dry-run', '--json', '--loglevel', 'warn', ...nowhere]);
  const warnings = stderr.split('\n').filter((line) => /^npm (warn|error)/i.test(line));
  return {
    files: packedOf(stdout).files.map(({ path }) => path),
    warnings: warnings.filter((line) => !line.includes('requires you to be logged in')),
  };
}

/** An empty project with the files of packages, as the registry would have them, and what they depend on. */
function shopWith(...names: readonly PackageName[]): string {
  const folder = testFolder();
  for (const name of names) {
    const installed = join(folder, 'node_modules', name);
    for (const path of published[name].files) {
      mkdirSync(dirname(join(installed, path)), { recursive: true });
      cpSync(join(PACKAGES[name], path), join(installed, path));
    }
    symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  }
  return folder;
}

/** The places of our compiler's errors in these files, without their columns, in order. */
async function typeErrors(folder: string, files: readonly string[]): Promise<string[]> {
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    // Our declarations are checked, those of the language are not.
    skipDefaultLibCheck: true,
    singleThreaded: true,
    typeRoots: [join(ROOT, 'node_modules/@types')],
    types: ['node'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const compiled = run(process.execPath, [TSC, '-p', '.', '--pretty', 'false'], { cwd: folder });
  const stdout = await compiled.then(
    () => '',
    (error: unknown) => (error as { stdout: string }).stdout,
  );
  const errors = stdout.split('\n').filter((line) => line.includes('error TS'));
  return errors.map((line) => /^(.+\(\d+),\d+\): error TS/.exec(line)?.[1] ?? line).toSorted();
}

/** The files of its own package that a compiled file loads, relative to its folder. */
function loadedBy(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const loads = text.matchAll(
    /^(?:import|export|\} from).*? ?'(\.[^']+)';|\b(?:require|import)\(["'](\.[^"']+)["']\)/gm,
  );
  return [...loads].map(([, imported, required]) => (imported ?? required)!);
}

/** The declarations that one needs, from the folder of the package; itself included. */
function reachedTypes(folder: string, entry: string): string[] {
  const reached = new Set([entry]);
  for (const path of reached) {
    if (!existsSync(join(folder, path))) continue;
    const specifiers = readFileSync(join(folder, path), 'utf8').matchAll(/(?:from |import\()'(\.[^']+)'/g);
    for (const [, to] of specifiers) reached.add(join(dirname(path), to!.replace(/\.[jt]s$/, '.d.ts')));
  }
  return [...reached];
}

function manifestOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
}
