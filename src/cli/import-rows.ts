import { createReadStream, statSync } from 'node:fs';
import type { ReadStream } from 'node:fs';
import { INT64_MAX } from '../allocation.ts';
import { LedgerRefused } from '../errors.ts';

/** How much of a long bad file is told. */
const MOST_PROBLEMS = 20;
/** How much of a bad value is shown. */
const MOST_SHOWN = 40;
const WHOLE_NUMBER = /^\d{1,19}$/;

/** What is wrong with a file, line by line; nothing of a file with a problem is used. */
export class Problems {
  readonly #file: string;
  readonly #refusal: string;
  readonly #lines: string[] = [];

  /** `refusal` begins the message, and the file's name follows it. */
  constructor(file: string, refusal = 'nothing was imported from') {
    this.#file = file;
    this.#refusal = refusal;
  }

  /** Throws everything so far when there is enough of it. */
  add(line: number, problem: string): void {
    this.#lines.push(`line ${line}: ${problem}`);
    if (this.#lines.length === MOST_PROBLEMS)
      this.throwIfAny(`; and perhaps more: reading stopped at ${MOST_PROBLEMS}`);
  }

  throwIfAny(end = ''): void {
    if (this.#lines.length === 0) return;
    throw new LedgerRefused(
      [`${this.#refusal} ${this.#file}${end}`, ...this.#lines.map((line) => `  ${line}`)].join('\n'),
    );
  }
}

/**
 * A whole number within bounds, exactly; undefined, and a problem, for anything else. `most` is 2^63-1 unless it
 * has to leave room.
 */
export function wholeNumber(
  text: unknown,
  { name, line, least = 1n, most = INT64_MAX }: { name: string; line: number; least?: bigint; most?: bigint },
  problems: Problems,
): bigint | undefined {
  if (typeof text === 'string' && WHOLE_NUMBER.test(text)) {
    const number = BigInt(text);
    if (number >= least && number <= most) return number;
  }
  problems.add(line, `${name} ${show(text)} is not valid: it must be a whole number from ${least} to ${most}`);
  return undefined;
}

/** A value in a message. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

/** Opens a file to import, and tells how much of it is read. */
export function openImport(path: string, onProgress: (done: number, all: number) => void): ReadStream {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new LedgerRefused(`${path} does not exist: name the file to read`);
  if (!stat.isFile()) throw new LedgerRefused(`${path} is not a file: name the file to read`);
  const stream = createReadStream(path);
  stream.on('data', () => onProgress(stream.bytesRead, stat.size));
  return stream;
}
