import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'vitest';

/**
 * What some tests cannot do without: commands, and `registry` (npm reaches one), `root` (the right to mount), `loop`
 * (loop devices, to mount a file as a disk) and `linux` (its /proc).
 */
export type Tool =
  | 'gcc'
  | 'strace'
  | 'sqlite3'
  | 'grpcurl'
  | 'ghz'
  | 'curl'
  | 'openssl'
  | 'pgbouncer'
  | 'psql'
  | 'script'
  | 'redis-server'
  | 'redis-benchmark'
  | 'pgbench'
  | 'chromium'
  | 'prometheus'
  | 'promtool'
  | 'python3'
  | 'go'
  | 'java'
  | 'mvn'
  | 'php'
  | 'composer'
  | 'haproxy'
  | 'hadolint'
  | 'kubernetes-validate'
  | 'compose-spec'
  | 'moto_server'
  | 'systemd-analyze'
  | 'mkfs.ext4'
  | 'prlimit'
  | 'registry'
  | 'bash'
  | 'zsh'
  | 'fish'
  | 'root'
  | 'loop'
  | 'linux';

const TOOLS_FOLDER = new URL('../../.tools', import.meta.url).pathname;

const REMEDY: Readonly<Record<Tool, string>> = {
  gcc: 'install gcc',
  strace: 'install strace',
  sqlite3: 'install sqlite3',
  grpcurl: 'run make tools',
  ghz: 'run make tools',
  curl: 'install curl',
  openssl: 'install openssl',
  pgbouncer: 'install pgbouncer',
  psql: 'install psql (postgresql-client)',
  script: 'install script (bsdutils)',
  'redis-server': 'install redis-server',
  'redis-benchmark': 'install redis-tools',
  pgbench: 'install postgresql',
  chromium: 'install chromium',
  prometheus: 'install prometheus',
  promtool: 'install prometheus',
  python3: 'install Python 3.10 or newer, with python3-venv',
  go: 'install Go: https://go.dev/doc/install',
  java: 'install a JDK, 17 or newer',
  mvn: 'install maven',
  php: 'install php-cli and php-curl',
  composer: 'install composer',
  haproxy: 'install haproxy',
  hadolint: 'run make tools',
  'kubernetes-validate': 'run make tools',
  'compose-spec': 'run make tools',
  moto_server: 'run make tools',
  'systemd-analyze': 'install systemd',
  'mkfs.ext4': 'install e2fsprogs',
  prlimit: 'install prlimit (util-linux)',
  registry: 'let npm reach its registry',
  bash: 'install bash',
  zsh: 'install zsh',
  fish: 'install fish',
  root: 'run the tests as root',
  loop: 'run the tests as root where losetup finds a free loop device',
  linux: 'run the tests on Linux, which has /proc',
};

/**
 * First line of a test that needs tools, in a file `*.tools.test.ts`, which `make test-tools` runs. If one is missing,
 * the test is skipped and says what is missing; with CI=true it fails, so that nothing goes unnoticed.
 */
export function requireTools(test: TestContext, ...tools: Tool[]): void {
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return;
  const why = `missing: ${missing.map((tool) => `${tool} (${REMEDY[tool]})`).join(', ')}`;
  if (process.env['CI'] === 'true') throw new Error(why);
  console.warn(`SKIPPED, ${why}: ${test.task.name}`);
  test.skip(why);
}

/** What is a command. */
export type Command = Exclude<Tool, 'registry' | 'root' | 'loop' | 'linux'>;

/** Where a command is: in the repository's .tools folder or in the path. */
export function toolPath(tool: Command): string {
  const path = findTool(tool);
  if (path === undefined) throw new Error(`${tool} is missing: ${REMEDY[tool]}`);
  return path;
}

function isThere(tool: Tool): boolean {
  if (tool === 'registry') return spawnSync('npm', ['ping', '--fetch-retries', '2']).status === 0;
  if (tool === 'root') return process.getuid?.() === 0;
  if (tool === 'loop') return spawnSync('losetup', ['--find']).status === 0;
  if (tool === 'linux') return process.platform === 'linux';
  return findTool(tool) !== undefined;
}

function findTool(tool: string): string | undefined {
  const folders = [TOOLS_FOLDER, ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, tool)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
