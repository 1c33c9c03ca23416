import type { Command } from 'commander';
import type { ClientOptions, OrderNumbersClient } from '../../client/index.ts';
import { createClient, OrderNumbersError } from '../../client/index.ts';
import { messageOf } from '../../core/errors.ts';
import type { Rewording } from './failure.ts';
import { quietLibraryLog } from '../../client/connection/library-log.ts';
import { printable } from '../../core/text/plain-text.ts';
import type { ClientFlags } from './client-options.ts';
import { clientOptions } from './client-options.ts';
import type { CommandContext, CommandFailures } from './run-command.ts';
import { runCommand, say } from './run-command.ts';
import { onStopSignal } from '../../server/stop-signals.ts';

/** Runs the work of one command with a client of its own, and sets the exit code of the process. */
export async function withClient(
  command: Command,
  work: (client: OrderNumbersClient, context: CommandContext) => Promise<number | void>,
  failures: CommandFailures = {},
): Promise<void> {
  const { server, json = false } = command.opts<ClientFlags>();
  const onRetrying = (error: OrderNumbersError) => say(interruption(server, error, json));
  return withConnection(command, (options) => createClient({ ...options, onRetrying }), work, failures);
}

/** The same with what `open` opens by the flags of the connection; it may throw a TypeError about their values. */
export async function withConnection<Opened extends { close(): void }>(
  command: Command,
  open: (options: ClientOptions) => Opened,
  work: (opened: Opened, context: CommandContext) => Promise<number | void>,
  failures: CommandFailures = {},
): Promise<void> {
  const flags = command.opts<ClientFlags>();
  quietLibraryLog();
  const client = openWith(flags, command, open);
  const reword: Rewording = (error) => {
    const problem = error instanceof OrderNumbersError ? error.connectionProblem : undefined;
    if (problem === 'unreachable') return `no server answers at ${flags.server}; start one, or check --server`;
    if (problem === 'unknown-host') return `cannot resolve the host name in ${flags.server}: check --server`;
    return failures.reword?.(error);
  };
  try {
    await runCommand(flags.json ?? false, (context) => work(client, context), { ...failures, reword });
  } finally {
    client.close();
  }
}

/** A line for standard error about a call that is being retried. */
export function interruption(server: string, error: OrderNumbersError, json: boolean): string {
  const message = printable(error.message);
  if (!json) return `${message.startsWith(server) ? '' : `${server}: `}${message}; retrying`;
  return JSON.stringify({ interrupted: { server, code: error.code, message } });
}

function openWith<Opened>(flags: ClientFlags, command: Command, open: (options: ClientOptions) => Opened): Opened {
  const options = clientOptions(flags, command);
  try {
    return open(options);
  } catch (error) {
    return command.error(
      `error: the connection flags are not valid (${messageOf(error)}): check --token and --tls-...`,
    );
  }
}

/** Aborts at the first Ctrl-C or SIGTERM; a later one ends the process as usual. */
export function stopOnSignal(): AbortSignal {
  const controller = new AbortController();
  onStopSignal((signal) => controller.abort(new Error(`stopped by ${signal}`)), ['SIGINT', 'SIGTERM']);
  return controller.signal;
}
