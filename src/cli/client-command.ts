import type { Command } from 'commander';
import type { OrderNumbersClient } from '../client/index.ts';
import { createClient } from '../client/index.ts';
import type { ClientFlags } from './client-options.ts';
import { clientOptions } from './client-options.ts';
import type { UnknownOutcome } from './failure.ts';
import { describeFailure, isReaderGone } from './failure.ts';
import { Output } from './output.ts';

/** What a command works with. */
export interface CommandContext {
  readonly output: Output;
  /** Whether --json was given. */
  readonly json: boolean;
  /** A line on standard error. */
  readonly say: (line: string) => void;
}

/** Resolves to the exit code, 0 where it is nothing else. */
export type CommandWork = (context: CommandContext) => Promise<number | void>;

export interface CommandFailures {
  /** For commands that write: what to say where the outcome is unknown. */
  readonly unknown?: UnknownOutcome;
  /** Whether the command has failed where nobody could read its output. */
  readonly needsReader?: boolean;
}

/** Does the work of one command with a client of its own, and sets the exit code of the process. */
export async function withClient(
  command: Command,
  work: (client: OrderNumbersClient, context: CommandContext) => Promise<number | void>,
  failures: CommandFailures = {},
): Promise<void> {
  const flags = command.opts<ClientFlags>();
  const client = clientFor(flags, command);
  try {
    await runCommand(flags.json ?? false, (context) => work(client, context), failures);
  } finally {
    client.close();
  }
}

function clientFor(flags: ClientFlags, command: Command): OrderNumbersClient {
  const options = clientOptions(flags, command);
  try {
    return createClient(options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return command.error(`error: the flags for the connection do not work (${why}): check --token and --tls-...`);
  }
}

/** Does the work of one command; whatever fails is one line on standard error and an exit code. */
export async function runCommand(json: boolean, work: CommandWork, failures: CommandFailures = {}): Promise<void> {
  const output = new Output(process.stdout);
  // Where nobody reads standard error, the exit code still says it.
  process.stderr.on('error', () => {});
  try {
    process.exitCode = (await work({ output, json, say })) ?? 0;
    await output.flush();
  } catch (error) {
    if (isReaderGone(error) && !failures.needsReader) {
      process.exitCode = 0;
      return;
    }
    const { exitCode, line } = describeFailure(error, failures.unknown, json);
    // What came before the failure is good, and goes first.
    await output.flush().catch(() => {});
    say(line);
    process.exitCode = exitCode;
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Aborts at the first Ctrl-C or SIGTERM; the second one ends the process as usual. */
export function stopOnSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
  return controller.signal;
}
