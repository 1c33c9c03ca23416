import { Command } from 'commander';
import type { ImportSummary } from '../../engines/sqlite/operator/import-counters.ts';
import { importCounters, planImport } from '../../engines/sqlite/operator/import-counters.ts';
import { ImportStaging } from '../../engines/sqlite/operator/import-staging.ts';
import type { StoreSink } from '../../core/move/imported-store.ts';
import { fieldTable, table } from '../view/columns.ts';
import { readCsv } from '../import/import-csv.ts';
import { readDynamodb } from '../import/import-dynamodb.ts';
import { jsonLine } from '../view/json-form.ts';
import { makeDefaultFolder, requireFolder } from '../run/ledger-folder.ts';
import type { OperatorContext } from '../run/operator-command.ts';
import { jsonOption, ledgerOption, runOperator } from '../run/operator-command.ts';
import { parseNumber } from '../run/option-values.ts';

interface ImportFlags {
  readonly ledger: string;
  readonly csv?: string;
  readonly nextOrderId?: bigint;
  readonly dynamodb?: readonly string[];
  readonly wholeTable?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Stores that a person is shown; --json has them all. */
const MAX_SHOWN = 20;
const WORDS = { make: 'new', set: 'changed', keep: 'as it is' } as const;

const NOTHING_TO_DO = 'nothing to do: the ledger is what this import makes of it';

const EXAMPLES = `
Only an empty ledger takes an import: one that has given no number yet, or none at all, which is then made. Without
--yes it is a dry run: it says what it would do and writes nothing. Stop the server before --yes.

--csv takes a file with the header store_id,next_number: the order_number that each store goes on with.
--dynamodb takes the table of the original sample, one item a line as DynamoDB's export to S3 writes it: its folder, or
all of its data files, compressed or not. Its numbers are the last ones given, the item with StoreID 0 has the last
OrderID; numbering goes on one above each. A part of a table is refused: its other stores would start again. The
export's own manifest, where it lies beside the data, says what is missing; without it some store must have the last
OrderID. --whole-table says that the files are all of the table although no store has it.

Examples:
  order-numbers import --csv stores.csv --next-order-id 48211
  order-numbers import --csv stores.csv --next-order-id 48211 --ledger /var/lib/orders/orders.db --yes
  order-numbers import --dynamodb table.json --yes
  order-numbers import --dynamodb AWSDynamoDB/01700000000000-0a1b2c3d`;

/** `order-numbers import`: the counters of an old shop, into an empty ledger. */
export function importCommand(): Command {
  const command = new Command('import')
    .option('--csv <file>', 'the stores: a CSV file with the header store_id,next_number')
    .option('--next-order-id <number>', 'with --csv: the first order_id to give', parseNumber)
    .option(
      '--dynamodb <files...>',
      "the table of the original sample: the folder or all data files of DynamoDB's export, one JSON item a line",
    )
    .option('--whole-table', 'with --dynamodb: these files are the whole table')
    .addOption(ledgerOption('the SQLite file that keeps the ledger; made where it is missing'))
    .option('--yes', 'do it; otherwise nothing is written')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES);
  return command.action(async (flags: ImportFlags) => {
    checkFlags(command, flags);
    requireFolder(flags.ledger, command);
    await runOperator(flags, (context) => runImport(flags, context));
  });
}

async function runImport(flags: ImportFlags, context: OperatorContext): Promise<void> {
  const { bar, signal, output, say } = context;
  const staging = new ImportStaging();
  try {
    const nextOrderId = await readSource(flags, staging, signal, (done, all) => bar?.update('reading', done, all));
    bar?.stop();
    const counters = { nextOrderId, stores: staging };
    if (!flags.yes) {
      await report(flags, counters, context);
      return;
    }
    // Asked first, so that a second run of the same import takes no lock and writes nothing.
    const plan = planImport(flags.ledger, counters, () => {});
    signal.throwIfAborted();
    if (plan.isNeeded) await makeDefaultFolder(flags.ledger);
    const summary = plan.isNeeded
      ? importCounters(flags.ledger, counters, (done, all) => bar?.update('importing', done, all))
      : plan;
    bar?.stop();
    context.done(plan.isNeeded ? `the counters are imported into ${flags.ledger}` : NOTHING_TO_DO);
    await output.line(summaryOf(flags, summary, plan.isNeeded));
    if (!plan.isNeeded) say(NOTHING_TO_DO);
  } finally {
    staging.close();
  }
}

async function readSource(
  { csv, nextOrderId, dynamodb, wholeTable = false }: ImportFlags,
  stores: StoreSink,
  signal: AbortSignal,
  onProgress: (done: number, all: number) => void,
): Promise<bigint> {
  if (dynamodb !== undefined) return readDynamodb(dynamodb, { isWhole: wholeTable, stores }, { signal, onProgress });
  if (csv === undefined || nextOrderId === undefined) throw new Error('the flags were not checked');
  await readCsv(csv, stores, { signal, onProgress });
  return nextOrderId;
}

/** The dry run. */
async function report(
  flags: ImportFlags,
  counters: { nextOrderId: bigint; stores: ImportStaging },
  { output, json, say }: OperatorContext,
): Promise<void> {
  const rows = [['STORE', 'NEXT NUMBER', '']];
  let more = 0;
  const plan = planImport(flags.ledger, counters, ({ storeId, nextNumber, change }) => {
    // A line that cannot be written fails again at the last one, which is awaited.
    if (json) output.line(jsonLine({ storeId, nextNumber, change: WORDS[change] })).catch(() => {});
    else if (rows.length <= MAX_SHOWN) rows.push([String(storeId), String(nextNumber), WORDS[change]]);
    else more++;
  });
  if (rows.length > 1) await output.line(`${table(rows, [0, 1])}\n`);
  if (more > 0) await output.line(`… and ${more} more stores: --json lists them all\n`);
  await output.line(summaryOf(flags, plan, false));
  await output.flush();
  say(plan.isNeeded ? 'dry run: nothing was written; add --yes to import' : NOTHING_TO_DO);
}

function summaryOf({ json, ledger }: ImportFlags, summary: ImportSummary, isDone: boolean): string {
  const { ledgerId, nextOrderId, stores, storesMade, storesSet } = summary;
  if (json) return jsonLine({ ledger, ledgerId, nextOrderId, stores: String(stores), imported: isDone });
  return fieldTable({
    ledger,
    ledger_id: ledgerId ?? '(made by the import)',
    next_order_id: nextOrderId,
    stores: `${stores} (${storesMade} new, ${storesSet} changed)`,
  });
}

function checkFlags(command: Command, { csv, nextOrderId, dynamodb, wholeTable }: ImportFlags): void {
  if ((csv === undefined) === (dynamodb === undefined)) {
    command.error('error: name one file to import, with --csv <file> or with --dynamodb <file>');
  }
  if (csv !== undefined && wholeTable) command.error('error: --whole-table goes with --dynamodb');
  if (csv !== undefined && nextOrderId === undefined) {
    command.error(
      'error: --csv needs --next-order-id <number>: the first order_id to give, one above the last one given',
    );
  }
  if (dynamodb !== undefined && nextOrderId !== undefined) {
    command.error(
      'error: --next-order-id goes with --csv: the table of --dynamodb has its own, in the item with StoreID 0',
    );
  }
}
