import { Option } from 'commander';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { environment } from './environment.ts';
import { mistypedVariables } from './mistyped-variables.ts';
import { parseLedgerPath as ledgerPath } from '../../engines/location.ts';
import { asOptionParser } from './option-values.ts';
import { ProgressBar } from '../view/progress-bar.ts';
import type { CommandContext } from './run-command.ts';
import { runCommand } from './run-command.ts';
import { onStopSignal } from '../../server/stop-signals.ts';

/** What an operator command works with. */
export interface OperatorContext extends CommandContext {
  /** Aborted when a signal asks the command to stop. */
  readonly signal: AbortSignal;
  /** Undefined if there is no terminal to draw on, or if --json was given. */
  readonly bar: ProgressBar | undefined;
}

/** The path of an SQLite file: a ledger or a backup. */
export const parseLedgerPath = asOptionParser(ledgerPath);

/** --ledger, as `serve` has it, for commands that work on SQLite files only. */
export function ledgerOption(help: string): Option {
  const { variable, default: standard } = SERVE_SETTINGS.ledger;
  return new Option('--ledger <path>', help).env(variable).default(standard, standard).argParser(parseLedgerPath);
}

/** --json, for programs. */
export function jsonOption(): Option {
  return new Option('--json', 'print one JSON object per line, with 64-bit numbers as strings');
}

/**
 * Runs a command that a signal can stop; see {@link runCommand}. The signal only asks: `work` decides when it stops and
 * what it leaves. `afterStop` says in the message what holds then.
 */
export async function runOperator(
  { json = false }: { readonly json?: boolean },
  work: (context: OperatorContext) => Promise<void>,
  afterStop = 'nothing was changed',
): Promise<void> {
  const stop = new AbortController();
  onStopSignal((name) => stop.abort(new Error(`stopped by ${name}: ${afterStop}`)));
  const bar = json ? undefined : ProgressBar.onTerminal(process.stderr, environment()['TERM']);
  await runCommand(json, async (context) => {
    for (const warning of mistypedVariables()) context.say(`warning: ${warning}`);
    try {
      await work({ ...context, signal: stop.signal, bar });
    } finally {
      bar?.stop();
    }
  });
}
