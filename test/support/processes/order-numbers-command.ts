import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ORDER_NUMBERS } from './server-process.ts';

/** What a command that ended has said. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A Node.js other than this one. */
  readonly node?: string;
  /** Flags of Node.js itself. */
  readonly nodeArgs?: readonly string[];
}

/** Runs `order-numbers` to its end. */
export async function orderNumbers(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { env = {}, cwd, node = process.execPath, nodeArgs = [] } = options;
  const child = spawn(node, [...nodeArgs, ORDER_NUMBERS, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: child.exitCode, stdout, stderr };
}
