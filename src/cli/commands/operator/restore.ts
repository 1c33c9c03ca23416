import { Command, Option } from 'commander';
import type { Restored } from '../../../engines/sqlite/operator/restore.ts';
import { restoreLedger } from '../../../engines/sqlite/operator/restore.ts';
import type { LossPlan } from '../../../engines/sqlite/operator/restore-decision.ts';
import { markWarning } from '../../../engines/sqlite/operator/restore-evidence.ts';
import type { Loss } from '../../../engines/sqlite/operator/restore-loss.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import { askToGoOn } from '../../run/agreement.ts';
import { fieldTable } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import { requireFolder, withDefaultFolder } from '../../run/ledger-folder.ts';
import { withListedStores } from '../../run/listed-stores.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { ledgerOption, parseLedgerPath, runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';
import { parseNumber } from '../../run/option-values.ts';

interface RestoreFlags extends OutputFlags {
  readonly from: string;
  readonly ledger: string;
  readonly acceptLoss?: boolean;
  readonly continueAbove?: bigint;
  readonly stores?: string;
  readonly nothingNumberedSince?: boolean;
  readonly yes?: boolean;
}

const EXAMPLES = `
Stop the server first. The backup is checked, copied beside the ledger and put
in its place; the old files are kept beside it as <name>.replaced-<time>. If the
ledger or its high-water mark is ahead of the backup, nothing is changed:
numbers already given would be given again, as duplicates.

With --accept-loss, numbering continues above them. The order_ids missing from
the backup are recorded as lost. Each store skips that many order_numbers: it
cannot have used more. Stores created in the lost range restart at their first
number. The request ids of lost orders are forgotten, so a retry of a lost order
gets a new number.

A new machine has no high-water mark (the file beside the ledger that records
the last number given) to tell what was numbered after the backup. The restore
is then refused until you tell it: --continue-above ORDER_ID takes the last
order_id that any caller received, or a higher one; numbering continues one
above it. Each store skips as many order_numbers as order_ids are lost, unless
--stores lists its next one: a CSV file with the header store_id,next_number, as
for import. Stores in that file that the backup lacks are created. The skipped
numbers are recorded as lost. --nothing-numbered-since asserts that the backup
has every number.

If it is interrupted, run it again: a server refuses to start on a half-finished
restore.

Examples:
  order-numbers restore --from /backups/orders-monday.db
  order-numbers restore --from /backups/orders-monday.db --ledger /var/lib/orders/orders.db --accept-loss --yes
  order-numbers restore --from /backups/orders-monday.db --continue-above 48210 --stores stores.csv
  order-numbers restore --from /backups/orders-final.db --nothing-numbered-since`;

/** `order-numbers restore`: replaces the ledger with a backup, and gives no number twice. */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .requiredOption('--from <backup>', 'the backup to restore; it is only read', parseLedgerPath)
    .addOption(ledgerOption('the SQLite file of the ledger; an existing one is moved aside'))
    .addOption(
      new Option('--accept-loss', 'skip the numbers given after the backup, and record them as lost').conflicts([
        'continueAbove',
        'nothingNumberedSince',
      ]),
    )
    .addOption(
      new Option(
        '--continue-above <order_id>',
        'the last order_id that any caller received: continue above it, and record the numbers between the backup and it as lost',
      )
        .argParser(parseNumber)
        .conflicts('nothingNumberedSince'),
    )
    .option('--stores <file>', 'with --continue-above: a CSV file with the header store_id,next_number')
    .option('--nothing-numbered-since', 'assert that no number was given after the backup')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', EXAMPLES);
  return withOperatorOutput(command).action(async (flags: RestoreFlags) => {
    if (flags.stores !== undefined && flags.continueAbove === undefined) {
      command.error(
        'error: --stores goes with --continue-above <order_id>, the last order_id that any caller received',
      );
    }
    requireFolder(flags.ledger, command);
    await runOperator(flags, (context) => restore(flags, context));
  });
}

async function restore(flags: RestoreFlags, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal } = context;
  const { from, ledger, continueAbove, acceptLoss, nothingNumberedSince } = flags;
  const agreed = (plan: LossPlan) => agree(plan, flags.yes === true, context);
  const restored = await withListedStores(flags.stores, 'nothing was restored: errors in', context, (stores) =>
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
  if (!restored) throw new LedgerRefused('cancelled: nothing was changed');
  context.done(`the ledger ${restored.database} was restored`);
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
    ...(loss && loss.storesContinued > 0n && { continued: `${loss.storesContinued} stores, as listed in --stores` }),
    ...(loss && loss.storesCreated > 0n && { created: `${loss.storesCreated} stores, as listed in --stores` }),
    ...(replaced !== undefined && { old_ledger: replaced }),
  });
}

function lostText({ firstOrderId, lastOrderId, length, storesContinued }: Loss): string {
  const which = storesContinued === 0n ? 'each store' : 'each other store';
  return `order_ids ${firstOrderId} to ${lastOrderId}; ${which} skips ${length}`;
}

/** Prints what is lost, and asks unless --yes was given. */
async function agree(
  { backup, evidence, loss }: LossPlan,
  isAgreed: boolean,
  { say, signal }: OperatorContext,
): Promise<boolean> {
  const witness = evidence.end === loss.lastOrderId ? evidence.witness : '--continue-above';
  say(
    `The backup ends at order_id ${backup.lastOrderId}, but ${loss.lastOrderId} was already given, according to ${witness}.`,
  );
  if (loss.length > 0n) {
    say(
      `order_ids ${loss.firstOrderId} to ${loss.lastOrderId} are recorded as lost (${loss.length} in all), and every store of ` +
        `the backup (${loss.storesSkipped} in all) ${loss.storesContinued > 0n ? 'that --stores does not list ' : ''}` +
        `skips ${loss.length} order_numbers. Stores created in the lost range ` +
        `${loss.storesCreated > 0n ? 'that --stores does not list ' : ''}restart at their first number, and lost ` +
        'request_ids are forgotten: a retry with one of them gets a new number.',
    );
  }
  if (loss.storesContinued + loss.storesCreated > 0n) {
    say(
      `${loss.storesContinued} stores continue with their number in --stores, and ${loss.storesCreated} are created.`,
    );
  }
  const warning = witness === evidence.witness ? markWarning(evidence) : undefined;
  if (warning !== undefined) say(`warning: ${warning}`);
  return askToGoOn(isAgreed, { signal });
}
