import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import type { LossPlan, Restored } from '../engines/sqlite/restore.ts';
import { restoreLedger } from '../engines/sqlite/restore.ts';
import { LedgerRefused } from '../errors.ts';
import { fieldTable } from './columns.ts';
import { jsonLine } from './json-form.ts';
import type { OperatorContext } from './operator.ts';
import { jsonOption, ledgerOption, runOperator } from './operator.ts';

interface RestoreFlags {
  readonly from: string;
  readonly ledger: string;
  readonly acceptLoss?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Stop the server first. The backup is checked, copied beside the ledger and put in its place; the old files stay
beside it as <name>.replaced-<time>. Where the ledger or its mark is ahead of the backup, nothing is done:
numbers that were given would be given again.

--accept-loss goes on above them: the order_ids that the backup does not have are declared lost, and every store
skips as many order_numbers as that, an upper bound. Stores first seen in the lost range start again, and the
request_ids of lost orders are forgotten.

If it is interrupted, run it again: a server refuses to start on what is half done.

Examples:
  order-numbers restore --from /backups/orders-monday.db
  order-numbers restore --from /backups/orders-monday.db --ledger /var/lib/orders/orders.db --accept-loss --yes`;

/** `order-numbers restore`: a backup in the place of the ledger, and no number given twice. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('put a backup in the place of the ledger; the server must not run')
    .requiredOption('--from <backup>', 'the file to restore; only read')
    .addOption(ledgerOption('the SQLite file that keeps the ledger; moved aside where it is there'))
    .option('--accept-loss', 'go on above the numbers that the backup does not have, and declare them lost')
    .option('--yes', 'do not ask')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES)
    .action((flags: RestoreFlags) => runOperator(flags, (context) => restore(flags, context)));
}

async function restore(flags: RestoreFlags, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal } = context;
  const restored = await restoreLedger({
    from: flags.from,
    ledger: flags.ledger,
    signal,
    onProgress: (step, done, all) => bar?.update(step, done, all),
    acceptLoss: flags.acceptLoss ? (plan) => agree(plan, flags.yes === true, context) : undefined,
  });
  bar?.stop();
  if (!restored) throw new LedgerRefused('not restored: nothing was changed');
  context.done(`the ledger ${restored.database} is restored`);
  await output.line(json ? asJson(restored) : asText(restored));
}

function asJson({ summary: { ledgerId, lastOrderId, rows }, database, replaced, loss }: Restored): string {
  const declaredLoss = loss && { first: loss.firstOrderId, last: loss.lastOrderId, skippedPerStore: loss.length };
  return jsonLine({ ledger: database, ledgerId, lastOrderId, rows, replaced, declaredLoss });
}

function asText({ summary, database, replaced, loss }: Restored): string {
  return fieldTable({
    ledger: database,
    ledger_id: summary.ledgerId,
    last_order_id: summary.lastOrderId,
    rows: summary.rows,
    ...(loss && { lost: `order_ids ${loss.firstOrderId} to ${loss.lastOrderId}; each store skips ${loss.length}` }),
    ...(replaced !== undefined && { old_ledger: replaced }),
  });
}

/** Says what is lost, and asks unless it was agreed to beforehand. */
async function agree(
  { backup, evidence }: LossPlan,
  isAgreed: boolean,
  { say, signal }: OperatorContext,
): Promise<boolean> {
  const length = evidence.end - backup.lastOrderId;
  say(
    `The backup ends at order_id ${backup.lastOrderId}; ${evidence.end} was already given, says ${evidence.witness}.`,
  );
  say(
    `${length} order_ids, ${backup.lastOrderId + 1n} to ${evidence.end}, are declared lost, and each of the ${backup.stores} ` +
      `stores of the backup skips ${length} order_numbers. Stores first seen in the lost range start again at their first ` +
      'number, and lost request_ids are forgotten: who asks again gets a new number.',
  );
  if (!evidence.hasLedger) {
    say(
      'Only the mark says how far the numbers had gone. After a power cut it may be behind by what came since the last ' +
        'checkpoint; what is beyond it would be given twice.',
    );
  }
  if (isAgreed) return true;
  if (!process.stdin.isTTY) throw new LedgerRefused('nobody is there to agree to the loss: add --yes to do it');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // In raw mode the terminal's Ctrl-C comes here, not as a signal.
    const interrupted = new Promise<string>((resolve) => terminal.once('SIGINT', () => resolve('n')));
    const answer = await Promise.race([terminal.question('Go on? [y/N] ', { signal }), interrupted]);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
