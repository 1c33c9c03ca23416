import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { FakeAnswers } from '../support/clients/fake-orders-server.ts';
import { fakeAllocation, fakeOrdersServer, fakeStore } from '../support/clients/fake-orders-server.ts';
import { orderNumbers } from '../support/processes/order-numbers-command.ts';
import { newDatabase } from '../support/postgres/database.ts';
import { ServerProcess, testFolder } from '../support/processes/server-process.ts';

// What is loaded is most of the time that a start takes.

/** Writes the URL of each module that is loaded to a file; `thread` is before those that a thread has loaded. */
const REPORT = `
  import { appendFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  import { isMainThread } from 'node:worker_threads';
  const where = isMainThread ? '' : 'thread ';
  const report = (url, context, next) => (appendFileSync(process.env.LOADED, where + url + '\\n'), next(url, context));
  registerHooks({ load: report });
`;
const ROOT = new URL('../..', import.meta.url).pathname;
const ENTRY = [
  'src/cli/compile-cache.js',
  'src/cli/main.ts',
  'src/cli/order-numbers.js',
  'src/cli/run/version.ts',
  'src/cli/run/without-secrets.ts',
  'src/cli/run/wrong-usage.ts',
  'src/core/text/plain-text.ts',
];

it.each(['--version', '--help'])('%s loads no command', async (flag) => {
  const report = newReport();
  expect(await orderNumbers([flag], { env: report.env })).toMatchObject({ exitCode: 0, stderr: '' });
  const { files, packages } = report.loaded();
  expect(packages).toEqual(['commander']);
  expect(files).toEqual(ENTRY);
});

it('serve --help loads the settings, but no server', async () => {
  const report = newReport();
  expect(await orderNumbers(['serve', '--help'], { env: report.env })).toMatchObject({ exitCode: 0, stderr: '' });
  const { files, packages } = report.loaded();
  expect(packages).toEqual(['commander']);
  expect(files).toContain('src/server/settings.ts');
  expect(
    files.filter((path) =>
      /^src\/(server\/(server\.ts|grpc|http|log\/|methods)|engines\/(sqlite|registry))/.test(path),
    ),
  ).toEqual([]);
});

/** What every client command loads beside the client. */
const CLIENT_COMMAND = [
  ...ENTRY,
  'src/cli/run/client-command.ts',
  'src/cli/run/client-options.ts',
  'src/cli/run/failure.ts',
  'src/cli/run/option-values.ts',
  'src/cli/run/run-command.ts',
  'src/cli/view/columns.ts',
  'src/cli/view/json-form.ts',
  'src/cli/view/output-option.ts',
  'src/cli/view/output.ts',
  'src/core/allocation.ts',
  'src/core/errors.ts',
  'src/server/stop-signals.ts',
];
/** A watch is refused, and ends by that. */
const ANSWERS: FakeAnswers = {
  allocateOrder: () => ({ allocation: fakeAllocation(), replayed: false }),
  getAllocation: () => ({ allocation: fakeAllocation() }),
  listAllocations: () => ({ allocations: [fakeAllocation()], nextPageToken: '' }),
  listStores: () => ({ stores: [fakeStore()], nextPageToken: '' }),
};

it.each<[args: string, exitCode: number, own: readonly string[]]>([
  [
    'allocate --store 7',
    0,
    ['cli/commands/allocate', 'cli/view/allocation-view', 'cli/view/rows', 'cli/view/shell-word'],
  ],
  ['get --order-id 1', 0, ['cli/commands/get', 'cli/view/allocation-view', 'cli/view/rows']],
  ['list --limit 1', 0, ['cli/commands/list', 'cli/view/allocation-view', 'cli/view/rows']],
  ['watch', 1, ['cli/commands/watch', 'cli/view/allocation-view', 'cli/view/rows']],
  ['stores list', 0, ['cli/commands/stores', 'cli/view/rows', 'core/store']],
  ['top --count 1', 1, ['cli/commands/top', 'cli/run/environment', 'cli/view/live-frame', 'cli/view/server-view']],
])('%s loads the client, but no part of an engine or of the server', async (args, exitCode, own) => {
  const server = await fakeOrdersServer(ANSWERS);
  const report = newReport();
  expect(await orderNumbers([...args.split(' '), '--server', server], { env: report.env })).toMatchObject({ exitCode });
  const { files, packages } = report.loaded();
  expect(packages.filter((name) => !/^@js-sdsl|ansi|string-width|fullwidth|emoji/.test(name))).toEqual([
    '@bufbuild/protobuf',
    '@grpc/grpc-js',
    'cli-table3',
    'commander',
  ]);
  const ownFiles = own.map((name) => `src/${name}.ts`);
  expect(files.filter((path) => !/^src\/(client|wire)\//.test(path))).toEqual(
    [...CLIENT_COMMAND, ...ownFiles].toSorted(),
  );
});

it('health loads the client and its own file only: it runs every few seconds', async () => {
  const server = await fakeOrdersServer(ANSWERS);
  const report = newReport();
  expect(await orderNumbers(['health', '--server', server], { env: report.env })).toMatchObject({ exitCode: 1 });
  const { files, packages } = report.loaded();
  expect(packages.filter((name) => !name.startsWith('@js-sdsl'))).toEqual([
    '@bufbuild/protobuf',
    '@grpc/grpc-js',
    'commander',
  ]);
  const unneeded = new Set(['src/cli/view/columns.ts', 'src/cli/view/json-form.ts']);
  expect(files.filter((path) => !/^src\/(client|wire)\//.test(path))).toEqual(
    [...CLIENT_COMMAND.filter((path) => !unneeded.has(path)), 'src/cli/commands/health.ts'].toSorted(),
  );
});

it('without a terminal a command of an operator loads no progress bar', async () => {
  const report = newReport();
  const command = ['verify', join(testFolder(), 'none.db')];
  expect(await orderNumbers(command, { env: report.env })).toMatchObject({ exitCode: 1, stdout: '' });
  expect(report.loaded().packages).toContain('better-sqlite3');
  expect(report.loaded().packages).not.toContain('cli-progress');
});

/** What only commands other than `serve` use: the operators' tools, the client, tables and files of other shops. */
const NOT_SERVED =
  /^src\/client\/(?!connection\/address)|^src\/cli\/check\/(?!refused-values)|\/(look-at-(file|database)|allocate|backup|backup-check|restore[\w-]*|import[\w-]*|migrate|move[\w-]*|verify-(file|database|report)|operator-command|columns)\.ts$/;
/** OpenTelemetry is for a server that sends traces. */
const NOT_SERVED_PACKAGES = new Set([
  '@opentelemetry/api',
  '@opentelemetry/sdk-trace',
  'ajv',
  'cli-progress',
  'cli-table3',
  'csv-parse',
  'csv-stringify',
  '@fastify/ajv-compiler',
  '@fastify/cors',
]);

it('serve on SQLite loads neither PostgreSQL nor operator commands', async () => {
  const { files, packages } = await loadedOnSqlite();
  expect(files).toContain('src/engines/sqlite/threads/writer.ts');
  expect(files.filter((path) => NOT_SERVED.test(path))).toEqual([]);
  expect(files.filter((path) => path.startsWith('src/engines/postgres/'))).toEqual([
    'src/engines/postgres/connection/postgres-url.ts',
  ]);
  expect(packages.filter((name) => name.startsWith('pg') || NOT_SERVED_PACKAGES.has(name))).toEqual([]);
});

it('the threads of a ledger load no part of Node.js that takes longer to load than all of their own', async () => {
  const { inThreads } = await loadedOnSqlite();
  // Neither crypto nor zlib, child_process or fs/promises.
  expect(inThreads).toEqual(['fs', 'path', 'url', 'util']);
});

it('serve on PostgreSQL loads neither SQLite nor operator commands', async () => {
  const { files, packages } = await loadedByServe(await newDatabase());
  expect(files).toContain('src/engines/postgres/postgres-ledger.ts');
  expect(files.filter((path) => NOT_SERVED.test(path))).toEqual([]);
  expect(files.filter((path) => path.startsWith('src/engines/sqlite/'))).toEqual([]);
  expect(packages.filter((name) => name === 'better-sqlite3' || NOT_SERVED_PACKAGES.has(name))).toEqual([]);
});

let onSqlite: ReturnType<typeof loadedByServe> | undefined;

/** By the one server that two tests look at. */
function loadedOnSqlite() {
  onSqlite ??= loadedByServe(join(testFolder(), 'orders.db'));
  return onSqlite;
}

async function loadedByServe(ledger: string) {
  const report = newReport();
  const server = new ServerProcess(ledger, { env: report.env });
  await server.serving();
  expect(await server.stop()).toBe(0);
  return report.loaded();
}

function newReport() {
  const path = join(testFolder(), 'loaded');
  return {
    env: { LOADED: path, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(REPORT)}` },
    /**
     * Paths of files from the repository's root, names of packages, and the modules of Node.js in threads, each once and in
     * order.
     */
    loaded() {
      const urls = readFileSync(path, 'utf8').split('\n');
      const found = (pattern: RegExp) =>
        [...new Set(urls.map((url) => pattern.exec(url)?.[1]).filter((name) => name !== undefined))].toSorted();
      return {
        files: found(new RegExp(`^(?:thread )?file://${ROOT}(src/[^?]*)$`)),
        packages: found(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/),
        inThreads: found(/^thread node:(.*)/),
      };
    },
  };
}
