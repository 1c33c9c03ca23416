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

/** What the command of an operator works with. */
export interface OperatorContext extends CommandContext {
  /** Aborted when a signal asks the command to stop. */
  readonly signal: AbortSignal;
  /** Undefined if there is no terminal to draw it on, or if --json was given. */
  readonly bar: ProgressBar | undefined;
}

/** The path of an SQLite file: a ledger or a backup. */
export const parseLedgerPath = asOptionParser(ledgerPath);

/** --ledger, as `serve` has it, for what works on SQLite's files only. */
export function ledgerOption(help: string): Option {
  const { variable, default: standard } = SERVE_SETTINGS.ledger;
  return new Option('--ledger <path>', help).env(variable).default(standard).argParser(parseLedgerPath);
}

/** --json, for machines. */
export function jsonOption(): Option {
  return new Option('--json', 'one JSON object a line on standard output, 64-bit numbers as strings');
}

/**
 * Runs a command that can be stopped by a signal; see {@link runCommand}. What it then leaves is its own affair: the
 * signal asks, nothing is cut short. `afterStop` is what holds then.
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
