import { Command } from 'commander';
import { backupLedger } from '../../../engines/sqlite/operator/backup.ts';
import { fieldTable } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { ledgerOption, parseLedgerPath, runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';

interface BackupFlags extends OutputFlags {
  readonly ledger: string;
  readonly force?: boolean;
}

const EXAMPLES = `
The backup is a single database file. It is checked before it appears under its
name: SQLite's integrity_check passes, and no sequence has a gap. Meanwhile the
server keeps running, and its write-ahead log (WAL) grows.

Examples:
  order-numbers backup /backups/orders-monday.db
  order-numbers backup --ledger /var/lib/orders/orders.db --force --json /backups/orders.db`;

/** `order-numbers backup`: a checked copy, while the server runs. */
export function backupCommand(): Command {
  return withOperatorOutput(
    new Command('backup')
      .argument('<target>', 'the file to write', parseLedgerPath)
      .addOption(ledgerOption('the SQLite file of the ledger; it is only read'))
      .option('--force', 'replace the target if it exists')
      .addHelpText('after', EXAMPLES),
  ).action((target: string, flags: BackupFlags) => runOperator(flags, (context) => backup(target, flags, context)));
}

async function backup(target: string, flags: BackupFlags, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal, say } = context;
  const {
    ledgerId,
    lastOrderId,
    rows,
    bytes,
    movedTo,
    target: path,
  } = await backupLedger(flags.ledger, target, {
    force: flags.force === true,
    signal,
    onProgress: (step, done, all) => bar?.update(step, done, all),
  });
  bar?.stop();
  context.done(`the backup ${path} was written and checked`);
  await output.line(
    json
      ? jsonLine({ ledger: flags.ledger, backup: path, ledgerId, lastOrderId, rows, bytes })
      : fieldTable({
          ledger: flags.ledger,
          backup: path,
          ledger_id: ledgerId,
          last_order_id: lastOrderId,
          rows,
          bytes,
        }),
  );
  if (movedTo !== undefined) {
    say(
      `warning: ${flags.ledger} was moved to ${movedTo}: this is a copy of the old file, not a backup of the ledger in use`,
    );
  }
}
