import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, vi } from 'vitest';
import { BUF } from '../support/clients/buf.ts';
import { localOrderNumbers } from '../support/processes/local-command.ts';
import type { CommandResult } from '../support/processes/order-numbers-command.ts';
import { ORDER_NUMBERS, testFolder } from '../support/processes/server-process.ts';
import { ROOT } from './documents.ts';

/** Whether lines run with the tools they name, or with stand-ins for those that may be missing. */
export type Tools = 'real' | 'stand-ins';

/** Where they are; that of grpcurl starts buf. */
const FOLDERS: Readonly<Record<Tools, readonly string[]>> = {
  real: [join(ROOT, '.tools')],
  'stand-ins': [join(ROOT, 'test/support/stand-ins'), dirname(BUF)],
};
const OWN_COMMAND = /^(npx )?order-numbers /;
/** What only a shell understands, beside quotes and a comment. */
const NEEDS_SHELL = /["|<>;&$\\*]/;

/** A part of a line, and what its output must contain. */
export type Said = readonly [part: string, says: RegExp];

/** A line that was run. */
export interface Ran {
  readonly line: string;
  readonly exitCode: number | null;
  readonly said: string;
}

/** What {@link Checkout.run} must resolve to: each line exits with 0, and prints what is expected. */
export function allSay(expected: readonly Said[]): unknown[] {
  return expected.map(([part, says]) => ({
    line: expect.stringContaining(part) as string,
    exitCode: 0,
    said: expect.stringMatching(says) as string,
  }));
}

/** The words of a command as a shell splits it; undefined for one that needs a shell. */
export function wordsOf(command: string): string[] | undefined {
  const withoutComment = command.replace(/ # .*$/, '');
  if (NEEDS_SHELL.test(withoutComment)) return undefined;
  return withoutComment.match(/(?:'[^']*'|[^\s'])+/g)!.map((word) => word.replaceAll("'", ''));
}

/** A separate checkout, without data, to run the lines of a document in. */
export class Checkout {
  readonly folder = testFolder();
  readonly #tools: Tools;
  readonly #replacements: (readonly [RegExp | string, string])[] = [];
  #server: string | undefined;

  constructor(tools: Tools) {
    this.#tools = tools;
    for (const name of readdirSync(ROOT)) {
      if (name !== 'data' && name !== '.git') symlinkSync(join(ROOT, name), join(this.folder, name));
    }
  }

  /** The ledger that commands have if none is named. */
  ledger(): string {
    mkdirSync(join(this.folder, 'data'), { recursive: true });
    return join(this.folder, 'data/orders.db');
  }

  /** The server that stands in for the one on the default ports. */
  serves({ grpc, http, metrics }: Readonly<Record<string, unknown>>): void {
    this.#server = String(grpc);
    this.replace('localhost:50051', String(grpc));
    this.replace('localhost:3000', String(http));
    this.replace('localhost:9464', String(metrics));
  }

  /** Replaces a name in documents, such as a host, by one of this test. */
  replace(place: RegExp | string, by: string): void {
    this.#replacements.push([place, by]);
  }

  /** The line as it is run here. */
  here(line: string): string {
    return this.#replacements.reduce((changed, [place, by]) => changed.replaceAll(place, by), line);
  }

  /** Runs lines one after the other. `expected` says when an endless one has printed enough. */
  async run(lines: readonly string[], expected: readonly Said[]): Promise<Ran[]> {
    const all: Ran[] = [];
    for (const [i, line] of lines.entries()) all.push(await this.#runLine(line, expected[i]?.[1] ?? /./));
    return all;
  }

  async #runLine(line: string, until: RegExp): Promise<Ran> {
    const command = this.here(line);
    const env: Record<string, string> = this.#server === undefined ? {} : { ORDERS_SERVER: this.#server };
    const isOwn = OWN_COMMAND.test(command);
    const words = wordsOf(command.replace(OWN_COMMAND, ''));
    if (this.#tools === 'real' || !isOwn || words === undefined || isEndless(line)) {
      const { exitCode, stdout, stderr } = await this.#runInShell(command, env, until);
      // Only the answer of a tool counts: curl writes its progress to standard error.
      return { line, exitCode, said: (isOwn || stdout === '' ? stdout + stderr : stdout).trim() };
    }
    const { exitCode, stdout, stderr } = await localOrderNumbers(words, { cwd: this.folder, env });
    return { line, exitCode, said: (stdout + stderr).trim() };
  }

  /** Stops an endless command as by Ctrl-C, once it has printed enough. */
  async #runInShell(command: string, env: Readonly<Record<string, string>>, until: RegExp): Promise<CommandResult> {
    const own = `'${process.execPath}' '${ORDER_NUMBERS}' `;
    const child = spawn('sh', ['-c', command.replace(OWN_COMMAND, `${isEndless(command) ? 'exec ' : ''}${own}`)], {
      cwd: this.folder,
      env: { ...process.env, PATH: [...FOLDERS[this.#tools], process.env['PATH']].join(delimiter), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
    const stderr = text(child.stderr);
    const closed = once(child, 'close');
    if (isEndless(command)) {
      await vi.waitUntil(() => until.test(stdout));
      child.kill('SIGINT');
    }
    await closed;
    return { exitCode: child.exitCode, stdout, stderr: await stderr };
  }
}

/** With a count it ends by itself, and a signal on its way out would kill it. */
function isEndless(line: string): boolean {
  return / (watch|top)\b/.test(line) && !line.includes(' --count ');
}
