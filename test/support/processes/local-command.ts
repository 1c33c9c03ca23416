import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { CommandResult } from './order-numbers-command.ts';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface LocalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

let runs = 0;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `order-numbers` to its end inside the process of the test, which takes a few milliseconds: its own main module,
 * evaluated again, with other arguments, variables and outputs. For commands that nothing kills; whether the process
 * itself comes to its end is for tests that start one. One command at a time: the others wait.
 */
export function localOrderNumbers(args: readonly string[], options: LocalOptions = {}): Promise<CommandResult> {
  const run = last.then(() => runHere(args, options));
  last = run.catch(() => {});
  return run;
}

async function runHere(args: readonly string[], { env = {}, cwd }: LocalOptions): Promise<CommandResult> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const said = [text(stdout), text(stderr)] as const;
  const makeAvailable = lend({ stdout, stderr, argv: [process.execPath, MAIN, ...args] });
  const giveBackEnvironment = setVariables(env);
  const folder = process.cwd();
  if (cwd !== undefined) process.chdir(cwd);
  runs += 1;
  let exitCode: CommandResult['exitCode'];
  try {
    await import(/* @vite-ignore */ `${MAIN}?run=${runs}`);
    exitCode = Number(process.exitCode ?? 0);
  } finally {
    makeAvailable();
    giveBackEnvironment();
    process.chdir(folder);
    stdout.end();
    stderr.end();
  }
  return { exitCode, stdout: await said[0], stderr: await said[1] };
}

/** Sets what a process has of its own; returns what sets it back, with the exit code and the listeners of before. */
function lend(own: Readonly<Record<string, unknown>>): () => void {
  const before = Object.keys(own).map((name) => [name, Object.getOwnPropertyDescriptor(process, name)!] as const);
  const { exitCode } = process;
  const listeners = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  for (const [name, value] of Object.entries(own)) Object.defineProperty(process, name, { value, configurable: true });
  process.exitCode = undefined;
  return () => {
    for (const [name, descriptor] of before) Object.defineProperty(process, name, descriptor);
    process.exitCode = exitCode;
    for (const [signal, kept] of listeners) {
      for (const listener of process.listeners(signal)) {
        if (!kept.includes(listener)) process.off(signal, listener);
      }
    }
  };
}

/** In the environment itself, which the time zone is taken from. */
function setVariables(env: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
