import { INT64_MAX } from '../../core/allocation.ts';
import { LedgerRefused } from '../../core/errors.ts';
import { exactNumber } from '../../core/text/plain-text.ts';

/** How many problems of a bad file are reported. */
const MAX_PROBLEMS = 20;
/** How many characters of a bad value are shown. */
const MAX_SHOWN = 40;

/** Collects the problems of a file, line by line; a file with a problem is not used at all. */
export class Problems {
  readonly #file: string;
  readonly #refusal: string;
  readonly #lines: string[] = [];

  /** `refusal` begins the message, and the file's name follows it. */
  constructor(file: string, refusal = 'nothing was imported: errors in') {
    this.#file = file;
    this.#refusal = refusal;
  }

  /** `at` names the place. Throws all problems so far once there are {@link MAX_PROBLEMS}. */
  add(at: string, problem: string): void {
    this.#lines.push(`${at}: ${problem}`);
    if (this.#lines.length === MAX_PROBLEMS) this.throwIfAny(` (reading stopped at ${MAX_PROBLEMS})`);
  }

  /** Throws what is wrong with the file as a whole, and all problems so far if there are any. */
  refuse(problem: string): never {
    this.throwIfAny();
    throw new LedgerRefused(`${this.#refusal} ${this.#file}: ${problem}`);
  }

  throwIfAny(end = ''): void {
    if (this.#lines.length === 0) return;
    throw new LedgerRefused(
      [`${this.#refusal} ${this.#file}${end}`, ...this.#lines.map((line) => `  ${line}`)].join('\n'),
    );
  }
}

/**
 * Parses a whole number within bounds, exactly; returns undefined and adds a problem for anything else. `most` is
 * 2^63-1 unless it has to leave room.
 */
export function checkedNumber(
  text: unknown,
  { name, at, least = 1n, most = INT64_MAX }: { name: string; at: string; least?: bigint; most?: bigint },
  problems: Problems,
): bigint | undefined {
  const number = typeof text === 'string' ? exactNumber(text, least, most) : undefined;
  if (number === undefined) {
    problems.add(at, `${name} ${show(text)} is not valid: it must be a whole number from ${least} to ${most}`);
  }
  return number;
}

/** Formats a value for a message. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
