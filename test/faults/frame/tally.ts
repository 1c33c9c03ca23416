import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FaultRun } from './fault-run.ts';
import type { Counts } from './record.ts';
import { commandOf, writeRecord } from './record.ts';

export type { Counts } from './record.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FRAME = 'test/faults/frame/';
const PROGRESS_EVERY_MS = 10_000;
/** Means nothing to the reader of a record. */
const TEMPORARY_FOLDER = /\/(?:tmp|dev\/shm)\/[\w.-]+/g;

export interface TallyOptions {
  /** Default: SQLite. */
  readonly engine?: string;
  /** Default: those that the test's name begins with. */
  readonly promises?: string;
  /** From the root of the repository; default: the file that creates the tally. */
  readonly file?: string;
  /** What repeats the run; default: `make test-faults` with the lab, the rounds and the seed. */
  readonly command?: string;
}

/**
 * What one test injected, counted and controlled. Free of vitest, for programs that run without it.
 *
 *     const run = faultRun('kill', { short: 4, long: 200 });
 *     it('P1 P4: what holds', async ({ task }) => {
 *       const tally = new Tally(run, task.name);
 *       …
 *       tally.end();
 *     }, timeoutMs(run));
 */
export class Tally {
  readonly #run: FaultRun;
  readonly #test: string;
  readonly #options: Required<TallyOptions>;
  readonly #injected = new Map<string, number>();
  readonly #controls = new Map<string, { readonly isRed: boolean; readonly says: string }>();
  readonly #counts: Counts = { asked: 0, acknowledged: 0, found: 0, lost: 0, twice: 0, holes: 0 };
  readonly #startMs = performance.now();
  #saidMs = performance.now();

  /** `test` is the test's name, as it stands in its file. */
  constructor(run: FaultRun, test: string, options: TallyOptions = {}) {
    this.#run = run;
    this.#test = test;
    const { engine = 'SQLite', promises = promisesOf(test), file = callingFile() } = options;
    const { command = commandOf(run.lab, run.rounds, run.seed) } = options;
    this.#options = { engine, promises, file, command };
  }

  /** A fault was injected; call it when it has happened. */
  inject(fault: string, times = 1): void {
    if (times > 0) this.#injected.set(fault, (this.#injected.get(fault) ?? 0) + times);
  }

  /** Adds to the counts. */
  count(counts: Partial<Counts>): void {
    for (const name of Object.keys(this.#counts) as (keyof Counts)[]) this.#counts[name] += counts[name] ?? 0;
  }

  /** A run without the protection: red if the checks failed, and what they said. */
  control(name: string, isRed: boolean, says: string): void {
    const text = says.replaceAll(TEMPORARY_FOLDER, '…').replaceAll(/\s+/g, ' ').trim();
    this.#controls.set(name, { isRed, says: text });
  }

  /** How far the run is; the long form says so now and then. */
  progress(round: number): void {
    if (!this.#run.isLong || performance.now() - this.#saidMs < PROGRESS_EVERY_MS) return;
    this.#saidMs = performance.now();
    say(`${this.#run.lab}: round ${round} of ${this.#run.rounds}, ${this.#seconds()} s, ${this.#test}`);
  }

  /**
   * Prints what was injected and counted (the long form), records it, and throws if the run did not hold. `rounds` are
   * those that there were, if they are not as many as asked for.
   */
  end(rounds = this.#run.rounds): void {
    if (this.#run.isLong) say(this.#text(rounds));
    const failures = this.#failures();
    if (failures.length > 0) throw new Error(`${this.#test}: ${failures.join('; ')}`);
    const { lab, seed } = this.#run;
    writeRecord({
      ...this.#options,
      lab,
      test: this.#test,
      rounds,
      seed,
      injected: Object.fromEntries(this.#injected),
      counts: this.#counts,
      controls: Object.fromEntries([...this.#controls].map(([name, { says }]) => [name, says])),
    });
  }

  #failures(): string[] {
    const { lost, twice, holes } = this.#counts;
    const failures = [];
    if (lost + twice + holes > 0) failures.push(`${lost} lost, ${twice} twice, ${holes} holes`);
    for (const [name, { isRed, says }] of this.#controls) {
      if (!isRed) failures.push(`the control "${name}" was not red: ${says}`);
    }
    if (this.#injected.size === 0) failures.push('nothing was injected');
    return failures;
  }

  #text(rounds: number): string {
    const { lab, seed } = this.#run;
    const injected = [...this.#injected].map(([fault, times]) => `${fault} ${times}×`).join(', ') || 'nothing';
    return [
      `${lab}: ${this.#test}`,
      `  rounds ${rounds}, seed ${seed}, ${this.#seconds()} s, ${this.#options.engine}`,
      `  injected: ${injected}`,
      `  ${countsText(this.#counts)}`,
      ...[...this.#controls].map(
        ([name, { isRed, says }]) => `  control, ${isRed ? 'red' : 'NOT RED'}: ${name}: ${says}`,
      ),
    ].join('\n');
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#startMs) / 1000);
  }
}

/** In words; a run ends with it. */
export function countsText(counts: Counts): string {
  return (Object.keys(counts) as (keyof Counts)[])
    .map((name) => `${counts[name].toLocaleString('en')} ${name}`)
    .join(', ');
}

/** The promises that a test's name begins with. */
function promisesOf(test: string): string {
  return (
    /^(P\d+\b( to (?=P))?[\s:]*)+/
      .exec(test)?.[0]
      .replaceAll(/[:\s]+/g, ' ')
      .trim() ?? ''
  );
}

/** The test that is running, or else the nearest file outside the frame. */
function callingFile(): string {
  const places = (new Error().stack ?? '').split('\n').flatMap((line) => {
    const path = /(?:file:\/\/)?(\/[^():]+\.[jt]s)/.exec(line)?.[1];
    return path?.startsWith(`${ROOT}test/`) ? [relative(ROOT, path)] : [];
  });
  const outside = places.filter((path) => !path.startsWith(FRAME) || path.endsWith('.test.ts'));
  return outside.find((path) => path.endsWith('.test.ts')) ?? outside[0] ?? 'unknown';
}

/** Bypasses vitest, which puts a heading above each line. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
