import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MutatedRoom } from './mutants.ts';

/** The folder of a room's run. The variable tells it to vitest.config.ts and to the threads of vitest. */
export const FOLDER_VARIABLE = 'MUTATION_FOLDER';

/** What vitest does next. */
export type Pass =
  /** Each test once without a mutant: which mutants it reaches, and how long it takes. */
  | { readonly kind: 'cover' }
  /**
   * Each test that takes up to `maxMs` again and again, with one mutant after another that it reaches; if `isNear`, only
   * those of the file that the test is named after.
   */
  | { readonly kind: 'try'; readonly maxMs: number; readonly isNear: boolean }
  /** All tests, with a mutant that is there while the modules are loaded. */
  | { readonly kind: 'load'; readonly id: string };

export interface ReachedMutants {
  /** How often a test runs through each mutant, and its duration in milliseconds. */
  readonly tests: Readonly<Record<string, { readonly hits: Readonly<Record<string, number>>; readonly ms: number }>>;
  /** Mutants that run outside of any test, such as when a module is loaded. */
  readonly outside: readonly string[];
}

/** A line of the journal. The last one tells which mutant hangs. */
export type Step =
  | { readonly begun: string; readonly test: string }
  | { readonly survived: string; readonly test: string }
  | { readonly caught: string; readonly test: string; readonly how: 'failed' | 'timed out'; readonly says: string }
  | { readonly hung: string; readonly test: string }
  /** The test fails without a mutant, after those that it was tried with. */
  | { readonly spoiled: string; readonly mutants: readonly string[] }
  | { readonly loaded: string };

/** What a run of a room writes down, so that a process that hangs costs one mutant only. */
export class Journal {
  readonly #folder: string;

  constructor(folder = process.env[FOLDER_VARIABLE] ?? '') {
    if (folder === '') throw new Error(`${FOLDER_VARIABLE} is not set: use make test-mutations`);
    this.#folder = folder;
  }

  begin(room: MutatedRoom): void {
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    this.#write('room.json', room);
    writeFileSync(join(this.#folder, 'steps.jsonl'), '');
    this.#write('reached.json', { tests: {}, outside: [] } satisfies ReachedMutants);
  }

  get room(): MutatedRoom {
    return this.#read('room.json') as MutatedRoom;
  }

  get pass(): Pass {
    return this.#read('pass.json') as Pass;
  }

  set pass(pass: Pass) {
    this.#write('pass.json', pass);
  }

  get reached(): ReachedMutants {
    return this.#read('reached.json') as ReachedMutants;
  }

  addReached({ tests, outside }: ReachedMutants): void {
    const { reached } = this;
    this.#write('reached.json', {
      tests: { ...reached.tests, ...tests },
      outside: [...new Set([...reached.outside, ...outside])],
    } satisfies ReachedMutants);
  }

  add(step: Step): void {
    appendFileSync(join(this.#folder, 'steps.jsonl'), `${JSON.stringify(step)}\n`);
  }

  get steps(): readonly Step[] {
    const lines = readFileSync(join(this.#folder, 'steps.jsonl'), 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Step);
  }

  /** In bytes: it grows with each step. */
  get size(): number {
    return statSync(join(this.#folder, 'steps.jsonl')).size;
  }

  #read(name: string): unknown {
    return JSON.parse(readFileSync(join(this.#folder, name), 'utf8'));
  }

  #write(name: string, value: unknown): void {
    writeFileSync(join(this.#folder, name), JSON.stringify(value));
  }
}

/** The mutants that a test has noticed, with the last step about each. */
export function caughtIn(steps: readonly Step[]): Map<string, Step> {
  const caught = new Map<string, Step>();
  for (const step of steps) {
    if ('caught' in step) caught.set(step.caught, step);
    if ('hung' in step) caught.set(step.hung, step);
    if ('spoiled' in step) for (const id of step.mutants) caught.delete(id);
  }
  return caught;
}
