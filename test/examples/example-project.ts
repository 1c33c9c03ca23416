import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { blockLines, documentAt, ROOT } from '../project/documents.ts';
import type { Tool } from '../support/required-tool.ts';

/** A folder of `examples/`, and what it cannot do without. */
export interface Example {
  readonly language: string;
  readonly tools: readonly Tool[];
}

/** A line that was run, and what came of it. */
interface Ran {
  readonly line: string;
  readonly exitCode: number | null;
  readonly said: string;
}

/** Runs what the README of an example says, in its folder, up to the lines that start its program, or to one that fails. */
export async function build(example: Example): Promise<Ran[]> {
  const ran: Ran[] = [];
  for (const line of readmeLines(example).filter((known) => !isProgram(known))) {
    const child = startLine(example, line, {});
    const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')]);
    ran.push({ line, exitCode: child.exitCode, said: stdout + stderr });
    if (child.exitCode !== 0) break;
  }
  return ran;
}

/** The program of an example at work; killed when the test ends. */
export class ExampleProgram {
  /** What it printed so far. */
  readonly lines: string[] = [];
  readonly stderr: Promise<string>;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #onLine = new Set<() => void>();

  /** `allocate` and how many, or `watch` and the file of its cursor, as the README has them but for the argument. */
  constructor(
    example: Example,
    command: 'allocate' | 'watch',
    argument: string,
    env: Readonly<Record<string, string>>,
  ) {
    const line = readmeLines(example).find((known) => known.includes(` ${command} `))!;
    this.#child = startLine(example, `exec ${line.replace(/\S+$/, argument)}`, env);
    this.#closed = once(this.#child, 'close');
    this.stderr = text(this.#child.stderr!);
    let incomplete = '';
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      const parts = `${incomplete}${chunk.toString()}`.split('\n');
      // What a killed program has begun to print does not count.
      incomplete = parts.pop()!;
      this.lines.push(...parts);
      for (const listener of this.#onLine) listener();
    });
    onTestFinished(() => this.kill());
  }

  /** Resolves when `holds` does after a line; rejects with what it said if it ends before. */
  async until(holds: () => boolean): Promise<void> {
    const reached = Promise.withResolvers<void>();
    const look = () => holds() && reached.resolve();
    this.#onLine.add(look);
    look();
    const ended = this.exit().then(async (code) => {
      if (!holds()) throw new Error(`ended with ${code} after ${this.lines.length} lines: ${await this.stderr}`);
    });
    try {
      await Promise.race([reached.promise, ended]);
    } finally {
      this.#onLine.delete(look);
    }
  }

  /** Resolves to its exit code, or to null if a signal ended it. */
  async exit(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  /** Kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}

function readmeLines({ language }: Example): string[] {
  return blockLines(documentAt(`examples/${language}/README.md`), 'sh');
}

function isProgram(line: string): boolean {
  return / (allocate|watch) /.test(line);
}

function startLine({ language }: Example, line: string, env: Readonly<Record<string, string>>): ChildProcess {
  return spawn('sh', ['-c', line], {
    cwd: `${ROOT}examples/${language}`,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
