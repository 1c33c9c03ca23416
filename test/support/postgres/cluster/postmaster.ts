import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { freeze, killTree, thaw } from './processes.ts';
import type { Programs } from './programs.ts';
import { PLAIN_ENVIRONMENT } from './programs.ts';

const PATIENCE_MS = 30_000;
const LINES_KEPT = 200;

/** One run of a PostgreSQL server: its first process, which forks all the others. */
export class Postmaster {
  readonly pid: number;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  #frozen: readonly number[] = [];
  readonly #log: string[] = [];
  readonly #onLine = new Set<(line: string) => void>();

  private constructor(child: ChildProcess) {
    this.pid = child.pid!;
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.#log.push(line);
      if (this.#log.length > LINES_KEPT) this.#log.shift();
      for (const listener of this.#onLine) listener(line);
    });
    // 'close' comes after the last line was read.
    this.#ended = once(child, 'close').then(() => void (this.#hasEnded = true));
  }

  /** Resolves when there is a process; the server does not accept connections yet. */
  static async spawn(programs: Programs, data: string, port: number): Promise<Postmaster> {
    const args = ['-D', data, '-p', String(port)];
    const child = spawn(programs.postgres, args, {
      ...programs.user,
      cwd: data,
      env: PLAIN_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await once(child, 'spawn');
    return new Postmaster(child);
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** The next line of its log that matches; rejects when the server ends without it. */
  async nextLine(pattern: RegExp): Promise<void> {
    const found = Promise.withResolvers<void>();
    const look = (line: string) => pattern.test(line) && found.resolve();
    this.#onLine.add(look);
    const fail = (why: string) => found.reject(new Error(`PostgreSQL ${why} ${pattern}: ${this.said()}`));
    const patience = setTimeout(() => fail(`in ${PATIENCE_MS} ms has not said`), PATIENCE_MS);
    void this.#ended.then(() => fail('ended before it said'));
    try {
      await found.promise;
    } finally {
      clearTimeout(patience);
      this.#onLine.delete(look);
    }
  }

  /** PostgreSQL's fast shutdown: ends its sessions and sends its standbys everything first. */
  async stop(): Promise<void> {
    if (this.isRunning) process.kill(this.pid, 'SIGINT');
    await this.#ended;
  }

  /** Kill -9 for all of its processes; resolves when none of them holds memory or port any more. */
  async kill(): Promise<void> {
    if (this.isRunning) await killTree(this.pid);
    await this.#ended;
  }

  /** Stops all of its processes; resolves when none of them moves. */
  async pause(): Promise<void> {
    this.#frozen = await freeze(this.pid);
  }

  /** Resumes them. */
  resume(): void {
    thaw(this.#frozen);
  }

  /** The end of its log, for messages. */
  said(): string {
    return this.#log.join('\n');
  }
}
