import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { SingleBar } from 'cli-progress';
import { SERVE_SETTINGS } from '../config.ts';
import { LedgerRefused } from '../engines/sqlite/refused.ts';

const EXIT_REFUSED = 1;

/** --ledger, as `serve` has it. */
export function ledgerOption(help: string): Option {
  const { flag, variable, parse, default: standard } = SERVE_SETTINGS.ledger;
  return new Option(flag, help)
    .env(variable)
    .default(standard)
    .argParser((text: string) => {
      try {
        return parse(text);
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
      }
    });
}

/** --json, for machines. */
export function jsonOption(): Option {
  return new Option('--json', 'one JSON object a line on standard output, 64-bit numbers as strings');
}

/** One line of data on standard output. Bigints become strings, as in the proto's JSON mapping. */
export function printJson(value: object): void {
  print(JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field)));
}

/** Data: to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Everything that is not data: to standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Aligned lines of a name and a value each. */
export function printFields(fields: Readonly<Record<string, unknown>>): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  for (const [name, value] of Object.entries(fields)) print(`${name.padEnd(width)}  ${String(value)}`);
}

/**
 * Runs a command that can be stopped by a signal; a refusal is one line and exit code 1. What it then leaves is its
 * own affair: the signal asks, nothing is cut short.
 */
export async function runOperator(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => stop.abort(new Stopped(name));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, onSignal);
  try {
    await work(stop.signal);
  } catch (error) {
    if (!(error instanceof LedgerRefused || error instanceof Stopped)) throw error;
    say(`error: ${error.message}`);
    process.exitCode = EXIT_REFUSED;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, onSignal);
  }
}

/** A bar on standard error, where a person reads along. */
export class ProgressBar {
  readonly #bar: SingleBar | undefined;
  #step: string | undefined;

  constructor({ isOff }: { isOff: boolean }) {
    if (isOff || !process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      format: '{step} [{bar}] {percentage}%',
      stream: process.stderr,
      hideCursor: true,
      // The command may be asked to stop: it removes what it has begun.
      gracefulExit: false,
    });
  }

  update(step: string, done: number, all: number): void {
    if (!this.#bar) return;
    if (step !== this.#step) {
      this.stop();
      this.#bar.start(all, done, { step });
      this.#step = step;
    }
    this.#bar.update(done);
  }

  stop(): void {
    if (this.#step !== undefined) this.#bar?.stop();
    this.#step = undefined;
  }
}

/** Ends with the usage error that commander would make: one line, exit code 2. */
export function wrongUsage(command: Command, message: string): never {
  command.error(`error: ${message}`);
}

class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor(signal: string) {
    super(`stopped by ${signal}: nothing was changed`);
  }
}
