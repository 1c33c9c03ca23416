import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
/** The time to install: packages come from the registry, and one of them may be compiled. */
const LIMIT_MS = 180_000;
/** A hanging request to the registry is retried: npm itself would wait for it for five minutes. */
const PATIENCE = ['--fetch-timeout', '20000', '--fetch-retries', '4'];
const run = promisify(execFile);

const JAVASCRIPT = `
import { createClient, OrderNumbersError } from 'order-number-generator';
const client = createClient({ address: process.argv[2] });
const first = await client.allocate({ storeId: 9007199254740993n, requestId: 'a' });
const again = await client.allocate({ storeId: 9007199254740993n, requestId: 'a' });
const refusal = await client.allocate({ storeId: 0 }).catch((error) => error);
client.close();
console.log(JSON.stringify({
  storeId: String(first.storeId),
  orderNumbers: [String(first.orderNumber), String(again.orderNumber)],
  replayed: [first.replayed, again.replayed],
  refusal: refusal instanceof OrderNumbersError && refusal.reason,
}));
`;

const TYPESCRIPT = `
import type { Allocated, OrderNumbersClient } from 'order-number-generator';
import { createClient, OrderNumbersError } from 'order-number-generator';
const client: OrderNumbersClient = createClient({ address: 'localhost:50051', token: 'secret', tls: { ca: 'PEM' } });
export async function number(storeId: bigint): Promise<string> {
  const allocated: Allocated = await client.allocate({ storeId, count: 2 });
  for await (const { allocations, cursor } of client.watchAllocations({ afterOrderId: 0 })) {
    const last: bigint | undefined = allocations.at(-1)?.orderId ?? cursor;
    if (last > 9n) break;
  }
  for await (const step of client.verifyLedger()) if (step.kind === 'verdict' && !step.ok) return String(step.rows);
  return allocated.displayNumber + allocated.createTime.toISOString();
}
export const isUnknown = (error: unknown) => error instanceof OrderNumbersError && error.outcome === 'unknown';
`;
/** One mistake per line, each detectable only by types. */
const WRONG_CALLS = [
  `await client.allocate({ storeId: '1' });`,
  `await client.allocate({ store_id: 1 });`,
  `await client.getAllocation({ storeId: 1 });`,
  `const id: number = (await client.getStore(1)).firstNumber;`,
];

it('the package serves, and its client works from JavaScript and TypeScript', { timeout: LIMIT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'order-numbers-package-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const installed = await install(folder);
  expect(existsSync(join(installed, 'dist/wire/gen/descriptor.binpb'))).toBe(true);
  expect(existsSync(join(installed, 'src'))).toBe(false);

  const address = await serve(folder);
  writeFileSync(join(folder, 'use.js'), JAVASCRIPT);
  const { stdout } = await run(process.execPath, ['use.js', address], { cwd: folder });
  expect(JSON.parse(stdout)).toEqual({
    storeId: '9007199254740993',
    orderNumbers: ['100', '100'],
    replayed: [false, true],
    refusal: 'STORE_ID_INVALID',
  });

  writeFileSync(join(folder, 'good.ts'), TYPESCRIPT);
  const header = `import { createClient } from 'order-number-generator'; const client = createClient({ address: 'a:1' });`;
  writeFileSync(join(folder, 'wrong.ts'), [header, ...WRONG_CALLS].join('\n'));
  const errors = await typeErrors(folder, 'good.ts', 'wrong.ts');
  const places = errors.map((line) => /^(\w+\.ts\(\d+),\d+\): error TS/.exec(line)?.[1]);
  expect(places).toEqual([2, 3, 4, 5].map((line) => `wrong.ts(${line}`));
});

/** Packs this repository and installs the package in an empty folder, which it resolves to. */
async function install(folder: string): Promise<string> {
  const packed = await npm(ROOT, ['pack', '--json', '--pack-destination', folder]);
  const name = /[\w.-]+\.tgz/.exec(packed)?.[0];
  if (name === undefined) throw new Error(`npm pack named no tarball: ${packed}`);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'a-shop', private: true, type: 'module' }));
  await npm(folder, ['install', '--no-audit', '--no-fund', '--prefer-offline', ...PATIENCE, join(folder, name)]);
  return join(folder, 'node_modules/order-number-generator');
}

/**
 * Runs npm as a user would: not as a part of the npm that may have started this test, and on the user's own Node.js, next
 * to which npm looks for its settings.
 */
async function npm(cwd: string, args: readonly string[]): Promise<string> {
  const path = process.env['PATH']!.split(delimiter).filter((folder) => !folder.startsWith(ROOT));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')));
  const { stdout } = await run('npm', args, {
    cwd,
    env: { ...env, PATH: path.join(delimiter) },
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}

/** Starts the installed `order-numbers serve`, which ends with the test. Resolves to its gRPC address. */
async function serve(folder: string): Promise<string> {
  const command = join(folder, 'node_modules/.bin/order-numbers');
  const listeners = ['--grpc-listen', '--http-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
  const args = [command, 'serve', '--ledger', join(folder, 'orders.db'), ...listeners];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    const { msg, grpc } = JSON.parse(line) as { msg: string; grpc?: string };
    if (msg === 'serving') return grpc!;
  }
  throw new Error(`the installed server ended before it served: ${said.join('\n')}`);
}

/** The errors that our compiler reports for files that use the installed types, one per line. */
async function typeErrors(folder: string, ...files: readonly string[]): Promise<string[]> {
  const config = {
    compilerOptions: {
      target: 'es2024',
      module: 'nodenext',
      moduleResolution: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node'],
    },
    files,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  try {
    await run(process.execPath, [TSC, '-p', '.', '--pretty', 'false'], { cwd: folder });
    return [];
  } catch (error) {
    return (error as { stdout: string }).stdout.split('\n').filter((line) => line.includes('error TS'));
  }
}
