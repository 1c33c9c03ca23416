import { Command, Option } from 'commander';
import type { Restored } from '../../engines/sqlite/operator/restore.ts';
import { restoreLedger } from '../../engines/sqlite/operator/restore.ts';
import type { LossPlan } from '../../engines/sqlite/operator/restore-decision.ts';
import { markWarning } from '../../engines/sqlite/operator/restore-evidence.ts';
import type { Loss } from '../../engines/sqlite/operator/restore-loss.ts';
import { LedgerRefused } from '../../core/errors.ts';
import { askToGoOn } from '../run/agreement.ts';
import { fieldTable } from '../view/columns.ts';
import { jsonLine } from '../view/json-form.ts';
import { requireFolder, withDefaultFolder } from '../run/ledger-folder.ts';
import { withListedStores } from '../run/listed-stores.ts';
import type { OperatorContext } from '../run/operator-command.ts';
import { jsonOption, ledgerOption, parseLedgerPath, runOperator } from '../run/operator-command.ts';
import { parseNumber } from '../run/option-values.ts';

interface RestoreFlags {
  readonly from: string;
  readonly ledger: string;
  readonly acceptLoss?: boolean;
  readonly continueAbove?: bigint;
  readonly stores?: string;
  readonly nothingNumberedSince?: boolean;
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

On a new machine no mark says what was numbered after the backup. Then the restore is refused until you do:
--continue-above ORDER_ID with the last order_id that any caller received, or a higher one; the next is one above it.
Each store skips as many order_numbers as order_ids are lost, unless --stores names its next one: a CSV file with the
header store_id,next_number, as import takes it, whose stores are created if the backup does not have them. What is
skipped is declared lost. --nothing-numbered-since says that the backup has every number.

If it is interrupted, run it again: a server refuses to start on what is half done.

Examples:
  order-numbers restore --from /backups/orders-monday.db
  order-numbers restore --from /backups/orders-monday.db --ledger /var/lib/orders/orders.db --accept-loss --yes
  order-numbers restore --from /backups/orders-monday.db --continue-above 48210 --stores stores.csv
  order-numbers restore --from /backups/orders-final.db --nothing-numbered-since`;

/** `order-numbers restore`: a backup in the place of the ledger, and no number given twice. */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .requiredOption('--from <backup>', 'the file to restore; only read', parseLedgerPath)
    .addOption(ledgerOption('the SQLite file that keeps the ledger; moved aside where it is there'))
    .addOption(
      new Option(
        '--accept-loss',
        'go on above the numbers that the backup does not have, and declare them lost',
      ).conflicts(['continueAbove', 'nothingNumberedSince']),
    )
    .addOption(
      new Option(
        '--continue-above <order_id>',
        'the last order_id that was given: go on above it, declare the rest lost',
      )
        .argParser(parseNumber)
        .conflicts('nothingNumberedSince'),
    )
    .option('--stores <file>', 'with --continue-above: a CSV file with the header store_id,next_number')
    .option('--nothing-numbered-since', 'no number was given after the backup was taken')
    .option('--yes', 'do not ask')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES);
  return command.action(async (flags: RestoreFlags) => {
    if (flags.stores !== undefined && flags.continueAbove === undefined) {
      command.error('error: --stores goes with --continue-above <order_id>, the last order_id that was given');
    }
    requireFolder(flags.ledger, command);
    await runOperator(flags, (context) => restore(flags, context));
  });
}

async function restore(flags: RestoreFlags, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal } = context;
  const { from, ledger, continueAbove, acceptLoss, nothingNumberedSince } = flags;
  const agreed = (plan: LossPlan) => agree(plan, flags.yes === true, context);
  const restored = await withListedStores(flags.stores, 'nothing was restored, because of', context, (stores) =>
    withDefaultFolder(ledger, () =>
      restoreLedger({
        from,
        ledger,
        signal,
        onProgress: (step, done, all) => bar?.update(step, done, all),
        acceptLoss: acceptLoss ? agreed : undefined,
        continueAbove: continueAbove === undefined ? undefined : { orderId: continueAbove, stores, agree: agreed },
        nothingNumberedSince,
      }),
    ),
  );
  bar?.stop();
  if (!restored) throw new LedgerRefused('not restored: nothing was changed');
  context.done(`the ledger ${restored.database} is restored`);
  for (const warning of restored.warnings) context.say(`warning: ${warning}`);
  await output.line(json ? asJson(restored) : asText(restored));
}

function asJson({ summary: { ledgerId, lastOrderId, rows }, database, replaced, loss }: Restored): string {
  const declaredLoss = loss &&
    loss.length > 0n && { first: loss.firstOrderId, last: loss.lastOrderId, skippedPerStore: loss.length };
  const stores = loss && {
    skipped: loss.storesSkipped,
    continued: loss.storesContinued,
    created: loss.storesCreated,
  };
  return jsonLine({
    ledger: database,
    ledgerId,
    lastOrderId,
    rows,
    replaced,
    declaredLoss: declaredLoss === false ? undefined : declaredLoss,
    stores,
  });
}

function asText({ summary, database, replaced, loss }: Restored): string {
  return fieldTable({
    ledger: database,
    ledger_id: summary.ledgerId,
    last_order_id: summary.lastOrderId,
    rows: summary.rows,
    ...(loss && loss.length > 0n && { lost: lostText(loss) }),
    ...(loss && loss.storesContinued > 0n && { continued: `${loss.storesContinued} stores, as --stores says` }),
    ...(loss && loss.storesCreated > 0n && { created: `${loss.storesCreated} stores, as --stores says` }),
    ...(replaced !== undefined && { old_ledger: replaced }),
  });
}

function lostText({ firstOrderId, lastOrderId, length, storesContinued }: Loss): string {
  const which = storesContinued === 0n ? 'each store' : 'each other store';
  return `order_ids ${firstOrderId} to ${lastOrderId}; ${which} skips ${length}`;
}

/** Says what is lost, and asks unless it was agreed to beforehand. */
async function agree(
  { backup, evidence, loss }: LossPlan,
  isAgreed: boolean,
  { say, signal }: OperatorContext,
): Promise<boolean> {
  const witness = evidence.end === loss.lastOrderId ? evidence.witness : '--continue-above';
  say(`The backup ends at order_id ${backup.lastOrderId}; ${loss.lastOrderId} was already given, says ${witness}.`);
  if (loss.length > 0n) {
    say(
      `order_ids ${loss.firstOrderId} to ${loss.lastOrderId} are declared lost (${loss.length} in all), and every store of ` +
        `the backup (${loss.storesSkipped} in all) ${loss.storesContinued > 0n ? 'that --stores does not name ' : ''}` +
        `skips ${loss.length} order_numbers. Stores first seen in the lost range ` +
        `${loss.storesCreated > 0n ? 'that --stores does not name ' : ''}start again at their first number, and lost ` +
        'request_ids are forgotten: a caller that retries one gets a new number.',
    );
  }
  if (loss.storesContinued + loss.storesCreated > 0n) {
    say(
      `${loss.storesContinued} stores go on with the number that --stores gives them, and ${loss.storesCreated} are created.`,
    );
  }
  const warning = witness === evidence.witness ? markWarning(evidence) : undefined;
  if (warning !== undefined) say(`warning: ${warning}`);
  return askToGoOn(isAgreed, { signal });
}
