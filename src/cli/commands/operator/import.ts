import { Command } from 'commander';
import type { ImportedCounters, ImportSummary } from '../../../core/move/imported-counters.ts';
import { withSdk } from '../../../engines/dynamodb/connection/sdk.ts';
import { engineOf, parseImportTarget, parseLedgerTable } from '../../../engines/location.ts';
import { ImportStaging } from '../../../engines/sqlite/operator/import-staging.ts';
import { messageOf } from '../../../core/errors.ts';
import type { StoreSink } from '../../../core/move/imported-store.ts';
import { fieldTable, table } from '../../view/columns.ts';
import { readCsv } from '../../import/import-csv.ts';
import { readDynamodb } from '../../import/import-dynamodb.ts';
import { readSampleTable } from '../../import/import-table.ts';
import type { ImportTarget } from '../../import/import-target.ts';
import { openImportTarget } from '../../import/import-target.ts';
import { jsonLine } from '../../view/json-form.ts';
import { requireFolder } from '../../run/ledger-folder.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { ledgerOption, runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';
import { asOptionParser, parseNumber } from '../../run/option-values.ts';

interface ImportFlags extends Pick<OutputFlags, 'json'> {
  readonly ledger: string;
  readonly csv?: string;
  readonly nextOrderId?: bigint;
  readonly dynamodb?: readonly string[];
  readonly wholeTable?: boolean;
  readonly yes?: boolean;
}

/** Stores shown to people; --json prints them all. */
const MAX_SHOWN = 20;
const WORDS = { make: 'new', set: 'changed', keep: 'unchanged' } as const;

const NOTHING_TO_DO = 'nothing to do: the ledger already has these counters';

const EXAMPLES = `
The ledger must be empty, that is, it has given no number yet; it is created if
it does not exist. Without --yes this is a dry run: it prints what it would do
and writes nothing. Stop the server before you use --yes.

--csv takes a file with the header store_id,next_number: the order_number with
which each store continues.

--dynamodb takes the table of the original sample: dynamodb://TABLE, read where
it is, or one item per line as DynamoDB's export to S3 writes it: the export's
folder, or all of its data files, compressed or not. Its numbers are the last
ones given, and the item with StoreID 0 has the last OrderID; numbering
continues one above each.

Stop the sample first. With dynamodb://TABLE, --yes takes the right to count
from the sample's items, each on condition that it has not changed since it was
read: their numbers become text, to which nothing can be added, and MovedTo
names the ledger. An instance of the sample that still runs fails from then on.
If the command is interrupted, run it again.

A part of an export is refused, because its missing stores would restart and
give duplicates. The export's own manifest, if it is beside the data, tells
whether a file is missing; without it, some store must have the last OrderID.
--whole-table asserts that the files are complete although no store has it.

Examples:
  order-numbers import --csv stores.csv --next-order-id 48211
  order-numbers import --csv stores.csv --next-order-id 48211 --ledger /var/lib/orders/orders.db --yes
  order-numbers import --dynamodb table.json --yes
  order-numbers import --dynamodb AWSDynamoDB/01700000000000-0a1b2c3d
  order-numbers import --dynamodb 'dynamodb://sample?region=eu-central-1' --ledger 'dynamodb://orders?region=eu-central-1'`;

/** `order-numbers import`: copies the counters of an old shop into an empty ledger. */
export function importCommand(): Command {
  const command = new Command('import')
    .option('--csv <file>', 'the stores: a CSV file with the header store_id,next_number')
    .option('--next-order-id <number>', 'with --csv: the first order_id to allocate', parseNumber)
    .option(
      '--dynamodb <files...>',
      "the table of the original sample: dynamodb://TABLE, or the folder or all data files of DynamoDB's export, one " +
        'JSON item per line',
    )
    .option('--whole-table', 'with --dynamodb: these files are the whole table')
    .addOption(
      ledgerOption(
        'the ledger: an SQLite file, or dynamodb://TABLE; created if it does not exist',
        '--ledger <path|url>',
        asOptionParser(parseImportTarget),
      ),
    )
    .option('--yes', 'write the import; without it, this is a dry run')
    .addHelpText('after', EXAMPLES);
  return withOperatorOutput(command).action(async (flags: ImportFlags) => {
    checkFlags(command, flags);
    requireFolder(flags.ledger, command);
    await runOperator(flags, (context) => runImport(flags, context));
  });
}

async function runImport(flags: ImportFlags, context: OperatorContext): Promise<void> {
  const { bar, output, say } = context;
  const target = await openImportTarget(flags.ledger);
  const staging = new ImportStaging();
  let source: Source | undefined;
  try {
    source = await readSource(flags, staging, target, context);
    bar?.stop();
    const counters = { nextOrderId: source.nextOrderId, stores: staging };
    if (!flags.yes) {
      await report(flags, counters, target, context, source);
      return;
    }
    // Planned first, so that a second run of the same import takes no lock and writes nothing.
    const plan = await target.plan(counters, () => {});
    context.signal.throwIfAborted();
    if (plan.isNeeded) await target.prepare(say);
    // Also if nothing is left to do, because an import that was interrupted may not have come that far.
    await source.takeOver?.(counters);
    const summary = plan.isNeeded
      ? await target.write(counters, (done, all) => bar?.update('importing', done, all))
      : plan;
    bar?.stop();
    context.done(plan.isNeeded ? `the counters were imported into ${flags.ledger}` : NOTHING_TO_DO);
    await output.line(summaryOf(flags, summary, plan.isNeeded));
    if (!plan.isNeeded) say(NOTHING_TO_DO);
  } finally {
    source?.close?.();
    staging.close();
    target.close();
  }
}

/** What was read of an old shop. */
interface Source {
  readonly nextOrderId: bigint;
  /** Takes the right to count from the old shop, if the import can do that. */
  readonly takeOver?: (counters: ImportedCounters) => Promise<void>;
  readonly close?: () => void;
}

async function readSource(
  { csv, nextOrderId, dynamodb, wholeTable = false }: ImportFlags,
  stores: StoreSink,
  target: ImportTarget,
  { bar, signal }: OperatorContext,
): Promise<Source> {
  const onProgress = (done: number, all: number) => bar?.update('reading', done, all);
  const url = dynamodb === undefined ? undefined : tableUrl(dynamodb);
  if (url !== undefined) return readTable(url, stores, target, { bar, signal });
  if (dynamodb !== undefined) {
    return { nextOrderId: await readDynamodb(dynamodb, { isWhole: wholeTable, stores }, { signal, onProgress }) };
  }
  if (csv === undefined || nextOrderId === undefined) throw new Error('the flags were not checked');
  await readCsv(csv, stores, { signal, onProgress });
  return { nextOrderId };
}

async function readTable(
  url: string,
  stores: StoreSink,
  target: ImportTarget,
  { bar, signal }: Pick<OperatorContext, 'bar' | 'signal'>,
): Promise<Source> {
  const { SampleTable } = await withSdk(() => import('../../../engines/dynamodb/operator/sample-table.ts'));
  const sample = new SampleTable(url, target.name);
  try {
    const onProgress = (items: number) => bar?.update('reading', items, items);
    return {
      nextOrderId: await readSampleTable(sample, stores, { name: url, signal, onProgress }),
      takeOver: (counters) => sample.takeOver(counters, (done, all) => bar?.update('taking over', done, all)),
      close: () => sample.close(),
    };
  } catch (error) {
    sample.close();
    throw error;
  }
}

/** The table that is read where it is; undefined if these are files. */
function tableUrl(sources: readonly string[]): string | undefined {
  const [first = '', ...others] = sources;
  return others.length === 0 && engineOf(first) === 'dynamodb' ? first : undefined;
}

/** The dry run. */
async function report(
  flags: ImportFlags,
  counters: ImportedCounters,
  target: ImportTarget,
  { output, json, say }: OperatorContext,
  { takeOver }: Source,
): Promise<void> {
  const rows = [['STORE', 'NEXT NUMBER', '']];
  let more = 0;
  const plan = await target.plan(counters, ({ storeId, nextNumber, change }) => {
    // A line that cannot be written fails again at the last one, which is awaited.
    if (json) output.line(jsonLine({ storeId, nextNumber, change: WORDS[change] })).catch(() => {});
    else if (rows.length <= MAX_SHOWN) rows.push([String(storeId), String(nextNumber), WORDS[change]]);
    else more++;
  });
  if (rows.length > 1) await output.line(`${table(rows, [0, 1])}\n`);
  if (more > 0) await output.line(`… and ${more} more stores: --json lists them all\n`);
  await output.line(summaryOf(flags, plan, false));
  await output.flush();
  const also = takeOver ? ' once the sample has stopped, and to take its right to count' : '';
  say(plan.isNeeded ? `dry run: nothing was written; add --yes to import${also}` : NOTHING_TO_DO);
}

function summaryOf({ json, ledger }: ImportFlags, summary: ImportSummary, isDone: boolean): string {
  const { ledgerId, nextOrderId, stores, storesMade, storesSet } = summary;
  if (json) return jsonLine({ ledger, ledgerId, nextOrderId, stores: String(stores), imported: isDone });
  return fieldTable({
    ledger,
    ledger_id: ledgerId ?? '(created by the import)',
    next_order_id: nextOrderId,
    stores: `${stores} (${storesMade} new, ${storesSet} changed)`,
  });
}

function checkFlags(command: Command, { csv, nextOrderId, dynamodb, wholeTable }: ImportFlags): void {
  if ((csv === undefined) === (dynamodb === undefined)) {
    command.error('error: give one source to import: --csv <file> or --dynamodb <files...>');
  }
  if (dynamodb?.some((source) => engineOf(source) === 'dynamodb')) checkTable(command, dynamodb, wholeTable);
  if (csv !== undefined && wholeTable) command.error('error: --whole-table goes with --dynamodb');
  if (csv !== undefined && nextOrderId === undefined) {
    command.error(
      'error: --csv needs --next-order-id <number>: the first order_id to allocate, one above the last one given',
    );
  }
  if (dynamodb !== undefined && nextOrderId !== undefined) {
    command.error(
      'error: --next-order-id goes with --csv: the table of --dynamodb has its own, in the item with StoreID 0',
    );
  }
}

function checkTable(command: Command, sources: readonly string[], wholeTable = false): void {
  if (sources.length > 1) command.error('error: give one table with --dynamodb, or files, but not both');
  if (wholeTable) command.error('error: --whole-table is for files: a table is read as a whole');
  try {
    parseLedgerTable(sources[0]!);
  } catch (error) {
    command.error(`error: --dynamodb: ${messageOf(error)}`);
  }
}
