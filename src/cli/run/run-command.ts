import type { Rewording, UnknownOutcome } from './failure.ts';
import { describeFailure, isReaderGone } from './failure.ts';
import { Output, OutputError } from '../view/output.ts';

const DEFAULT_WIDTH = 80;

/** What a command works with. */
export interface CommandContext {
  readonly output: Output;
  /** Whether --json was given. */
  readonly json: boolean;
  /** The terminal's present width; undefined if standard output is not a terminal. */
  readonly terminalWidth: number | undefined;
  /** Writes a line to standard error. */
  readonly say: (line: string) => void;
  /**
   * Marks the work itself as done, with a sentence without its full stop. Output that cannot be written after that is
   * only a warning, not a failure.
   */
  readonly done: (what: string) => void;
}

/** Resolves to the exit code; undefined is 0. */
export type CommandWork = (context: CommandContext) => Promise<number | void>;

export interface CommandFailures {
  /** For commands that write: what to print if the outcome is unknown. */
  readonly unknown?: UnknownOutcome;
  /** Whether the command fails if the reader of its output has gone. */
  readonly needsReader?: boolean;
  readonly reword?: Rewording;
}

/** Runs the work of one command; a failure becomes one line on standard error and an exit code. */
export async function runCommand(json: boolean, work: CommandWork, failures: CommandFailures = {}): Promise<void> {
  const output = new Output(process.stdout);
  // If standard error is not read, the exit code still tells.
  process.stderr.on('error', () => {});
  let what: string | undefined;
  try {
    const done = (sentence: string) => void (what = sentence);
    const context = {
      output,
      json,
      get terminalWidth() {
        return terminalWidth();
      },
      say,
      done,
    };
    process.exitCode = (await work(context)) ?? 0;
    await output.flush();
  } catch (error) {
    if (isReaderGone(error) && !failures.needsReader) {
      process.exitCode = 0;
      return;
    }
    if (error instanceof OutputError && what !== undefined) {
      say(`${what}, but the result was not printed: ${error.message}`);
      process.exitCode = 0;
      return;
    }
    const { exitCode, line } = describeFailure(error, failures.unknown, json, failures.reword);
    // Output from before the failure is valid, and goes first.
    await output.flush().catch(() => {});
    say(line);
    process.exitCode = exitCode;
  }
}

function terminalWidth(): number | undefined {
  const { isTTY, columns } = process.stdout;
  // A terminal without a known width, such as one that a program emulates, reports 0.
  return isTTY ? columns || DEFAULT_WIDTH : undefined;
}

/** Writes a line to standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
