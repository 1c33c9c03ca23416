import type { ChildProcess } from 'node:child_process';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Results, Wanted } from './session.ts';

/** A hanging process still ends; a busy machine may take minutes for what it does in seconds. */
const LIMIT_MS = 30 * 60_000;

/** Runs tests of a copy, one run after the other. */
export class TestSession {
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #changed: readonly string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** These files differ from what the last run has seen. */
  changedSince(paths: readonly string[]): void {
    this.#changed = paths;
  }

  /** Never rejects: a run that ends without results has crashed. */
  async run(wanted: Wanted): Promise<Results> {
    const child = (this.#child ??= this.#start());
    const ended = new AbortController();
    const { signal } = ended;
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    const crash = async () => {
      const [code, killedBy] = (await once(child, 'exit', { signal })) as [number | null, string | null];
      return { passed: [], failed: [], crashed: [`vitest ended: ${killedBy ?? code}`] };
    };
    try {
      child.send({ ...wanted, changed: [...wanted.changed, ...this.#changed] } satisfies Wanted);
      return await Promise.race([once(child, 'message', { signal }).then(([results]) => results as Results), crash()]);
    } finally {
      clearTimeout(timer);
      ended.abort();
      if (child.exitCode !== null || child.signalCode !== null) this.#child = undefined;
    }
  }

  /** Ends vitest, and what its global setup has started. */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child?.connected) return;
    const exited = once(child, 'exit');
    child.disconnect();
    await exited;
  }

  #start(): ChildProcess {
    const child = fork(join(this.#folder, 'test/faults/planted/session.ts'), {
      cwd: this.#folder,
      env: environment(),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('error', () => {});
    return child;
  }
}

/** The first error of the types of the tree, or of what runs in a browser; undefined if there is none. */
export async function typeError(folder: string, part: 'tree' | 'page'): Promise<string | undefined> {
  const project = part === 'page' ? 'src/server/console' : '.';
  const state = join(folder, 'node_modules', `.planted-${part}.tsbuildinfo`);
  const args = ['-p', project, '--incremental', '--tsBuildInfoFile', state];
  const { code, text } = await run(folder, 'node_modules/.bin/tsc', args);
  return code === 0 ? undefined : firstLine(text) || `the types were not checked: exit code ${code}`;
}

/** Starts a server on a new ledger, and stops it. Returns what went wrong, or undefined. */
export async function startFailure(folder: string): Promise<string | undefined> {
  const ledger = mkdtempSync(join(folder, '.ledger-'));
  const listen = ['--grpc-listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const args = ['serve', ...listen, '--ledger', join(ledger, 'orders.db')];
  let isServing = false;
  const stopOnceServing = (child: ChildProcess, text: string) => {
    if (isServing || !text.includes('"msg":"serving"')) return;
    isServing = true;
    child.kill('SIGTERM');
  };
  const { code, text } = await run(folder, 'src/cli/order-numbers.js', args, stopOnceServing);
  rmSync(ledger, { recursive: true, force: true });
  if (!isServing) return `the server does not start: ${firstLine(text)}`;
  return code === 0 ? undefined : `the server does not stop: exit code ${code}`;
}

/** Runs a program of the copy with this Node.js. */
async function run(
  folder: string,
  program: string,
  args: readonly string[],
  onText: (child: ChildProcess, text: string) => void = () => {},
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env: environment() });
  let text = '';
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      onText(child, text);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, text };
}

/** Without what would change a server, or make the tests of a lab long. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(ORDERS_|FAULTS|FAILOVER$|VITEST)/.test(name));
  return { ...Object.fromEntries(own), NO_COLOR: '1' };
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]!.slice(0, 300);
}
