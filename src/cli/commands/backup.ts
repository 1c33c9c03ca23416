import { Command } from 'commander';
import { backupLedger } from '../../engines/sqlite/operator/backup.ts';
import { fieldTable } from '../view/columns.ts';
import { jsonLine } from '../view/json-form.ts';
import type { OperatorContext } from '../run/operator-command.ts';
import { jsonOption, ledgerOption, parseLedgerPath, runOperator } from '../run/operator-command.ts';

interface BackupFlags {
  readonly ledger: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
The backup is one database file that needs nothing beside it. It is checked before it appears: SQLite's own
integrity_check, and that no sequence has a hole. While it is taken, the server goes on and its WAL grows.

Examples:
  order-numbers backup /backups/orders-monday.db
  order-numbers backup --ledger /var/lib/orders/orders.db --force --json /backups/orders.db`;

/** `order-numbers backup`: a checked copy, while the server runs. */
export function backupCommand(): Command {
  return new Command('backup')
    .argument('<target>', 'the file to write', parseLedgerPath)
    .addOption(ledgerOption('the SQLite file that keeps the ledger; only read'))
    .option('--force', 'replace the target where it is there')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
    .action((target: string, flags: BackupFlags) => runOperator(flags, (context) => backup(target, flags, context)));
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
  context.done(`the backup ${path} is written and checked`);
  await output.line(
    json
      ? jsonLine({ backup: path, ledgerId, lastOrderId, rows, bytes })
      : fieldTable({ backup: path, ledger_id: ledgerId, last_order_id: lastOrderId, rows, bytes }),
  );
  if (movedTo !== undefined) {
    say(
      `warning: ${flags.ledger} was moved to ${movedTo}: this is a copy of what it was then, and no backup of that one`,
    );
  }
}
