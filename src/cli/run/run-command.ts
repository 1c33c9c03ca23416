import type { Rewording, UnknownOutcome } from './failure.ts';
import { describeFailure, isReaderGone } from './failure.ts';
import { Output, OutputError } from '../view/output.ts';

const DEFAULT_WIDTH = 80;

/** What a command works with. */
export interface CommandContext {
  readonly output: Output;
  /** Whether --json was given. */
  readonly json: boolean;
  /** The width of the terminal that standard output is; undefined if it is none. */
  readonly terminalWidth: number | undefined;
  /** A line on standard error. */
  readonly say: (line: string) => void;
  /**
   * Says that the work itself is done, in a sentence without its end. What comes after it only tells of it: output
   * that cannot be written is then a remark, and no failure.
   */
  readonly done: (what: string) => void;
}

/** Resolves to the exit code; undefined is 0. */
export type CommandWork = (context: CommandContext) => Promise<number | void>;

export interface CommandFailures {
  /** For commands that write: what to say if the outcome is unknown. */
  readonly unknown?: UnknownOutcome;
  /** Whether the command has failed if its output could not be read. */
  readonly needsReader?: boolean;
  readonly reword?: Rewording;
}

/** Does the work of one command; whatever fails is one line on standard error and an exit code. */
export async function runCommand(json: boolean, work: CommandWork, failures: CommandFailures = {}): Promise<void> {
  const output = new Output(process.stdout);
  // If standard error is not read, the exit code still says it.
  process.stderr.on('error', () => {});
  let what: string | undefined;
  try {
    const done = (sentence: string) => void (what = sentence);
    process.exitCode = (await work({ output, json, terminalWidth: terminalWidth(), say, done })) ?? 0;
    await output.flush();
  } catch (error) {
    if (isReaderGone(error) && !failures.needsReader) {
      process.exitCode = 0;
      return;
    }
    if (error instanceof OutputError && what !== undefined) {
      say(`${what}, but that could not be told: ${error.message}`);
      process.exitCode = 0;
      return;
    }
    const { exitCode, line } = describeFailure(error, failures.unknown, json, failures.reword);
    // What came before the failure is good, and goes first.
    await output.flush().catch(() => {});
    say(line);
    process.exitCode = exitCode;
  }
}

function terminalWidth(): number | undefined {
  const { isTTY, columns } = process.stdout;
  // A terminal that does not say it, such as one of a program, has 0.
  return isTTY ? columns || DEFAULT_WIDTH : undefined;
}

/** Writes a line to standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
