import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { memoryFolder } from '../disk/memory-folder.ts';
import type { LogLine } from '../log-lines.ts';
import { LogLines } from '../log-lines.ts';

export type { LogLine } from '../log-lines.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
/** The one entry of the command line. */
export const ORDER_NUMBERS = join(ROOT, 'src/cli/order-numbers.js');
const SERVE = [ORDER_NUMBERS, 'serve'];

export interface ServeOptions {
  /** Flags beside --grpc-listen and --ledger. */
  readonly args?: readonly string[];
  /** Whether it serves HTTP as well, which takes a quarter of its start. */
  readonly http?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The arguments of Node.js for another program than `order-numbers serve`, with the same flags. */
  readonly program?: readonly string[];
  /** A command that runs the server, such as strace with its flags. */
  readonly wrapper?: readonly string[];
}

/** A real `order-numbers serve` in a process of its own; killed when the test ends. */
export class ServerProcess {
  readonly child: ChildProcess;
  /** What it logged so far. Lines that are not JSON have the level 0. */
  readonly log: readonly LogLine[];
  readonly #lines = new LogLines();
  /** What it wrote to standard error so far. */
  stderr = '';

  /** Starts a server on free ports; `ledger` is the path of its file. */
  constructor(ledger: string, options: ServeOptions = {}) {
    const { args = [], http = false, env = {}, cwd = ROOT, program = SERVE, wrapper = [] } = options;
    const command = [...wrapper, process.execPath, ...program, '--ledger', ledger, ...args];
    const anyPort = '127.0.0.1:0';
    const listeners = {
      '--grpc-listen': anyPort,
      '--http-listen': http ? anyPort : 'off',
      '--metrics-listen': anyPort,
    };
    for (const [flag, address] of Object.entries(listeners)) {
      if (!args.includes(flag)) command.push(flag, address);
    }
    this.child = spawn(command[0]!, command.slice(1), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk));
    this.log = this.#lines.all;
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.#lines.add(line));
    onTestFinished(() => this.kill());
  }

  /** Resolves to the first line with this message, past or future; rejects when the process ends without it. */
  line(message: string | RegExp): Promise<LogLine> {
    const ended = this.exit().then((end) => `ended with ${end} before it logged ${message}: ${this.said()}`);
    return this.#lines.first(message, ended);
  }

  /** Resolves to its gRPC address when it serves. */
  async serving(): Promise<string> {
    return String((await this.line('serving'))['grpc']);
  }

  /** Resolves to its exit code, or to the name of the signal that ended it. */
  async exit(): Promise<number | NodeJS.Signals> {
    const { child } = this;
    // 'close' comes after the last line was read.
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    return child.exitCode ?? child.signalCode!;
  }

  /** Asks it to stop and resolves to its exit code. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.child.kill('SIGTERM');
    return this.exit();
  }

  /** Kill -9. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit();
  }

  /** Everything it printed, for the message of a failing test. */
  said(): string {
    return [...this.log.map((line) => JSON.stringify(line)), this.stderr].join('\n');
  }
}

/** For the files of the tests that run at the same time. */
const ROOM_BYTES = 1024 ** 3;

/** A folder for one test, in memory if there is room, removed when the test ends. */
export function testFolder(): string {
  const folder = mkdtempSync(join(memoryFolder(ROOM_BYTES) ?? tmpdir(), 'order-numbers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
