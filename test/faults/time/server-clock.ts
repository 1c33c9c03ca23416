import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';
import type { ClockState } from './moved-clock.ts';

const PRELOADED = new URL('moved-clock.ts', import.meta.url).href;

/** The time of day in one server, which is started with {@link ServerClock.env}. */
export class ServerClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #control = join(testFolder(), 'clock');

  /** True at first. `patched` is the environment of a server with patched modules. */
  constructor(patched: Readonly<Record<string, string>> = {}) {
    const options = [patched['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'], `--import=${PRELOADED}`];
    this.env = { ...patched, NODE_OPTIONS: options.filter(Boolean).join(' '), MOVED_CLOCK: this.#control };
  }

  /** So far ahead of the true time, or behind it. */
  isAheadBy(offsetMs: number): void {
    this.#set({ offsetMs });
  }

  standsStill(): void {
    this.#set({ standsAtMs: Date.now() });
  }

  /** The next commit waits inside its transaction until {@link goesOn}. */
  holdCommits(): void {
    rmSync(`${this.#control}.held`, { force: true });
    this.#set({ isHeld: true });
  }

  async commitIsHeld(): Promise<void> {
    await until('a commit is held', () => existsSync(`${this.#control}.held`));
  }

  /** At the true time. */
  goesOn(): void {
    this.#set({});
  }

  #set(state: ClockState): void {
    // Renamed, so that the server never reads half of it.
    writeFileSync(`${this.#control}.new`, JSON.stringify(state));
    renameSync(`${this.#control}.new`, this.#control);
  }
}
