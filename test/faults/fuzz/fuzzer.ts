import type { Random } from '../frame/random.ts';
import { CpuBound } from './cpu-bound.ts';
import { shrunk } from './shrink.ts';

/** Inputs that are checked at the same time. */
const CHUNK = 64;
/** Inputs that a run keeps because their outcome was new, and how long they are: large ones make a run slow. */
const MAX_KEPT = 2000;
const MAX_KEPT_LENGTH = 2048;
/** A run ends early with this many different findings. */
const MAX_FINDINGS = 10;

/** One kind of hostile input, and what must hold for each. */
export interface FuzzTarget<Input> {
  readonly name: string;
  /** The inputs of the corpus. */
  readonly seeds: readonly Input[];
  /** A new input from one or two others. */
  mutate(input: Input, other: Input, random: Random): Input;
  /** As the corpus has it. */
  print(input: Input): string;
  /**
   * Throws if the input broke something. Returns the kind of outcome in a few words: an input with a new one is mutated
   * further.
   */
  check(input: Input): string | Promise<string>;
  /** Called after every chunk: throws if something is wrong that no single input shows. */
  settle?(): void | Promise<void>;
}

/** An input that broke something. */
export interface Finding {
  readonly target: string;
  /** As a line of the corpus. */
  readonly line: string;
  readonly error: Error;
}

/** What a run did. */
export interface FuzzResult {
  readonly inputs: number;
  /** Kinds of outcomes. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
}

/** Checks the corpus of a target first, then this many inputs that are made from it. */
export async function fuzz<Input>(target: FuzzTarget<Input>, inputs: number, random: Random): Promise<FuzzResult> {
  const run = new FuzzRun(target, random);
  for (let at = 0; at < target.seeds.length; at += CHUNK) await run.checkAll(target.seeds.slice(at, at + CHUNK));
  while (run.inputs < inputs && run.findings.length < MAX_FINDINGS) {
    await run.checkAll(Array.from({ length: Math.min(CHUNK, inputs - run.inputs) }, () => run.next()));
  }
  return run;
}

class FuzzRun<Input> implements FuzzResult {
  inputs = 0;
  readonly outcomes = new Map<string, number>();
  readonly findings: Finding[] = [];
  readonly #target: FuzzTarget<Input>;
  readonly #random: Random;
  readonly #kept: Input[];
  readonly #bound = new CpuBound();

  constructor(target: FuzzTarget<Input>, random: Random) {
    this.#target = target;
    this.#random = random;
    this.#kept = [...target.seeds];
  }

  next(): Input {
    let input = this.#random.pick(this.#kept);
    for (let left = this.#random.between(1, 3); left > 0; left--) {
      input = this.#target.mutate(input, this.#random.pick(this.#kept), this.#random);
    }
    return input;
  }

  async checkAll(inputs: readonly Input[]): Promise<void> {
    this.#bound.start();
    const outcomes = await Promise.all(inputs.map((input) => this.#outcomeOf(input)));
    this.inputs += inputs.length;
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome instanceof Error) await this.#found(inputs[i]!, outcome);
      else this.#count(inputs[i]!, outcome);
    }
    try {
      await this.#target.settle?.();
    } catch (error) {
      this.#add(`one of ${inputs.length}`, asError(error));
    }
    if (!this.#bound.isPassed()) return;
    for (const input of inputs) {
      const cpuMs = await this.#bound.costOf(() => this.#outcomeOf(input));
      if (cpuMs !== undefined) this.#add(this.#target.print(input), new Error(`it takes ${cpuMs} ms of the processor`));
    }
  }

  async #outcomeOf(input: Input): Promise<string | Error> {
    try {
      return await this.#target.check(input);
    } catch (error) {
      return asError(error);
    }
  }

  #count(input: Input, outcome: string): void {
    const before = this.outcomes.get(outcome) ?? 0;
    this.outcomes.set(outcome, before + 1);
    if (before > 0 || this.#kept.length >= MAX_KEPT || this.#target.print(input).length > MAX_KEPT_LENGTH) return;
    this.#kept.push(input);
  }

  async #found(input: Input, error: Error): Promise<void> {
    if (this.findings.some((one) => one.error.message === error.message)) return;
    const isSame = async (smaller: Input) => {
      const outcome = await this.#outcomeOf(smaller);
      return outcome instanceof Error && outcome.message === error.message;
    };
    this.#add(this.#target.print(await shrunk(input, isSame)), error);
  }

  #add(line: string, error: Error): void {
    if (this.findings.some((one) => one.error.message === error.message)) return;
    this.findings.push({ target: this.#target.name, line, error });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
