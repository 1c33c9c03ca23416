import { Command, Option } from 'commander';
import type { DeclaredLoss } from '../../../engines/postgres/operator/declare-loss.ts';
import { declareLoss } from '../../../engines/postgres/operator/declare-loss.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { PostgresUrl } from '../../../engines/postgres/connection/postgres-url.ts';
import { parseRestoredLedger } from '../../../engines/location.ts';
import { askToGoOn } from '../../run/agreement.ts';
import { fieldTable } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import { withListedStores } from '../../run/listed-stores.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';
import { asOptionParser, parseNumber } from '../../run/option-values.ts';

interface DeclareLossFlags extends OutputFlags {
  readonly continueAbove: bigint;
  readonly stores?: string;
  readonly yes?: boolean;
}

const EXAMPLES = `
For a PostgreSQL ledger that was restored to an earlier time, from a backup or
by point-in-time recovery: without this, numbers given after that time would be
given again, as duplicates. Stop every server first, and start none before it is
done.

--continue-above takes the last order_id that any caller received, or a higher
one; numbering continues one above it. Each store skips as many order_numbers as
order_ids are lost, unless --stores lists its next one: a CSV file with the
header store_id,next_number, as for import. Stores in that file that the ledger
lacks are created. The skipped numbers are recorded as lost, and verify reports
them so. Run it as the owner of the schema. A second run changes nothing.

For an SQLite ledger use order-numbers restore, which takes the same options.

Examples:
  order-numbers declare-loss postgres://orders@db.example:5432/orders --continue-above 48210
  order-numbers declare-loss postgres://orders@db.example:5432/orders --continue-above 48210 --stores stores.csv --yes`;

/** `order-numbers declare-loss`: a PostgreSQL ledger that went back in time continues above the numbers given since. */
export function declareLossCommand(): Command {
  return withOperatorOutput(
    new Command('declare-loss')
      .argument('<url>', 'the database: postgres://user@host:5432/database', asOptionParser(parseRestoredLedger))
      .addOption(
        new Option('--continue-above <order_id>', 'the last order_id that any caller received (required)')
          .argParser(parseNumber)
          .makeOptionMandatory(),
      )
      .option('--stores <file>', 'a CSV file with the header store_id,next_number')
      .option('--yes', 'do not ask for confirmation')
      .addHelpText('after', EXAMPLES),
  ).action((url: PostgresUrl, flags: DeclareLossFlags) => runOperator(flags, (context) => run(url, flags, context)));
}

async function run(url: PostgresUrl, flags: DeclareLossFlags, context: OperatorContext): Promise<void> {
  const { signal, output, json, say } = context;
  const agree = (loss: DeclaredLoss) => {
    say(describe(url, loss));
    return askToGoOn(flags.yes === true, context);
  };
  const refusal = 'nothing was recorded as lost: errors in';
  const loss = await withListedStores(flags.stores, refusal, context, (stores) =>
    declareLoss(url, { above: flags.continueAbove, stores }, agree, signal),
  );
  if (!loss) throw new LedgerRefused('cancelled: nothing was changed');
  const isDone = loss.length + loss.storesSkipped + loss.storesCreated > 0n;
  context.done(`the loss was recorded in ${url.name}`);
  await output.line(json ? asJson(url, loss) : asText(url, loss));
  if (!isDone) say('nothing to do: the ledger already continues there');
}

function describe({ name }: PostgresUrl, { firstOrderId, lastOrderId, length, ...stores }: DeclaredLoss): string {
  const range =
    length === 0n ? 'No order_id is lost' : `order_ids ${firstOrderId} to ${lastOrderId} are recorded as lost`;
  return (
    `${range} in ${name}; ${stores.storesSkipped} stores skip order_numbers, and ${stores.storesCreated} are created. ` +
    'Stores created in the lost range that --stores does not list restart at their first number, and lost ' +
    'request_ids are forgotten: a retry with one of them gets a new number.'
  );
}

function asJson(
  { name }: PostgresUrl,
  { ledgerId, firstOrderId, lastOrderId, length, ...stores }: DeclaredLoss,
): string {
  return jsonLine({
    ledger: name,
    ledgerId,
    lastOrderId,
    declaredLoss: length > 0n ? { first: firstOrderId, last: lastOrderId } : undefined,
    stores: { skipped: stores.storesSkipped, created: stores.storesCreated },
  });
}

function asText(
  { name }: PostgresUrl,
  { ledgerId, firstOrderId, lastOrderId, length, ...stores }: DeclaredLoss,
): string {
  return fieldTable({
    ledger: name,
    ledger_id: ledgerId,
    last_order_id: lastOrderId,
    ...(length > 0n && { lost: `order_ids ${firstOrderId} to ${lastOrderId}` }),
    stores: `${stores.storesSkipped} skip numbers, ${stores.storesCreated} created`,
  });
}
