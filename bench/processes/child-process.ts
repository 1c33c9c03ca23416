import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Children to kill when the benchmark ends, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** How a process ended, and its output. */
export interface Ended {
  /** Its exit code, or the signal that ended it. */
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program in the repository's root, without standard input; with a channel for messages if asked to. */
export function startChild(command: string, args: readonly string[], channel?: 'ipc'): ChildProcess {
  const stdio = ['ignore', 'pipe', 'pipe', ...(channel ? [channel] : [])] as const;
  const child = spawn(command, args, { cwd: ROOT, env: environment(), stdio: [...stdio] });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Runs a program to its end. */
export async function runChild(command: string, args: readonly string[]): Promise<Ended> {
  const child = startChild(command, args);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  await once(child, 'close');
  return { code: codeOf(child), stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** Sends a signal, and resolves to the exit code or signal of the process. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  child.kill(signal);
  if (running.has(child)) await once(child, 'close');
  return codeOf(child);
}

/** The environment without the user's own settings, and without listeners that could collide with other servers. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('ORDERS_'));
  return {
    ...Object.fromEntries(inherited),
    PATH: join(ROOT, '.tools') + delimiter + (process.env['PATH'] ?? ''),
    ORDERS_HTTP_LISTEN: 'off',
    ORDERS_METRICS_LISTEN: 'off',
  };
}

function codeOf({ exitCode, signalCode }: ChildProcess): number | NodeJS.Signals {
  return exitCode ?? signalCode ?? 0;
}
