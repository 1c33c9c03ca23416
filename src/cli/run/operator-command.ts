import type { Command } from 'commander';
import { Option } from 'commander';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { environment } from './environment.ts';
import { mistypedVariables } from './mistyped-variables.ts';
import { parseLedgerPath as ledgerPath } from '../../engines/location.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { withOutput } from '../view/output-option.ts';
import { asOptionParser } from './option-values.ts';
import { ProgressBar } from '../view/progress-bar.ts';
import type { CommandContext } from './run-command.ts';
import { runCommand } from './run-command.ts';
import { onStopSignal } from '../../server/stop-signals.ts';

/** What an operator command works with. */
export interface OperatorContext extends CommandContext {
  /** Aborted when a signal asks the command to stop. */
  readonly signal: AbortSignal;
  /** Undefined if there is no terminal to draw on, or if JSON was asked for. */
  readonly bar: ProgressBar | undefined;
}

/** The path of an SQLite file: a ledger or a backup. */
export const parseLedgerPath = asOptionParser(ledgerPath);

/** --ledger, as `serve` has it, for commands that work on SQLite files only unless `parse` takes other ledgers, too. */
export function ledgerOption(help: string, flag = '--ledger <path>', parse = parseLedgerPath): Option {
  const { variable, default: standard } = SERVE_SETTINGS.ledger;
  return new Option(flag, help).env(variable).default(standard, standard).argParser(parse);
}

/** The form of JSON that is not a message of the proto. */
export const PLAIN_JSON = 'json, one object per line, with 64-bit numbers as strings';

/** Gives an operator's command the forms of its output. */
export function withOperatorOutput(command: Command): Command {
  return withOutput(command, { json: PLAIN_JSON });
}

/**
 * Runs a command that a signal can stop; see {@link runCommand}. The signal only asks: `work` decides when it stops and
 * what it leaves, and may resolve to an exit code. `afterStop` says in the message what holds then.
 */
export async function runOperator(
  { json = false }: Pick<OutputFlags, 'json'>,
  work: (context: OperatorContext) => Promise<number | void>,
  afterStop = 'nothing was changed',
): Promise<void> {
  const stop = new AbortController();
  onStopSignal((name) => stop.abort(new Error(`stopped by ${name}: ${afterStop}`)));
  const bar = json ? undefined : await ProgressBar.onTerminal(process.stderr, environment()['TERM']);
  await runCommand(json, async (context) => {
    for (const warning of mistypedVariables()) context.say(`warning: ${warning}`);
    try {
      return await work({ ...context, signal: stop.signal, bar });
    } finally {
      bar?.stop();
    }
  });
}
