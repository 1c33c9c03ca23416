import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import { INT64_MAX } from '../allocation.ts';
import type { ImportSummary, StoreChange } from '../engines/sqlite/import-counters.ts';
import { importCounters, planImport } from '../engines/sqlite/import-counters.ts';
import { ImportStaging } from '../engines/sqlite/import-staging.ts';
import { readCsv } from './import-csv.ts';
import { readDynamodb } from './import-dynamodb.ts';
import {
  jsonOption,
  ledgerOption,
  print,
  printFields,
  printJson,
  ProgressBar,
  runOperator,
  say,
  wrongUsage,
} from './operator.ts';

interface ImportFlags {
  readonly ledger: string;
  readonly csv?: string;
  readonly nextOrderId?: bigint;
  readonly dynamodb?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Stores that a person is shown; --json has them all. */
const MOST_SHOWN = 20;
const WORDS = { make: 'new', set: 'changed', keep: 'as it is' } as const;

const EXAMPLES = `
Only an empty ledger takes an import: one that has given no number yet, or none at all, which is then made. Without
--yes it is a dry run: it says what it would do and writes nothing. Stop the server before --yes.

--csv takes a file with the header store_id,next_number: the order_number that each store goes on with.
--dynamodb takes the table of the original sample, one item a line as DynamoDB's export to S3 writes it (unpacked).
Its numbers are the last ones given, the item with StoreID 0 has the last OrderID; numbering goes on one above each.

Examples:
  order-numbers import --csv stores.csv --next-order-id 48211
  order-numbers import --csv stores.csv --next-order-id 48211 --ledger /var/lib/orders/orders.db --yes
  order-numbers import --dynamodb table.json --yes`;

/** `order-numbers import`: the counters of an old shop, into an empty ledger. */
export function importCommand(): Command {
  const command = new Command('import')
    .description('carry the counters of an old shop over into an empty ledger')
    .option('--csv <file>', 'the stores: a CSV file with the header store_id,next_number')
    .option('--next-order-id <number>', 'with --csv: the first order_id to give', parseOrderId)
    .option('--dynamodb <file>', "the table of the original sample, DynamoDB's export, one JSON item a line")
    .addOption(ledgerOption('the SQLite file that keeps the ledger; made where it is missing'))
    .option('--yes', 'do it; otherwise nothing is written')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLES);
  return command.action(async (flags: ImportFlags) => {
    checkFlags(command, flags);
    await runOperator((signal) => runImport(flags, signal));
  });
}

async function runImport(flags: ImportFlags, signal: AbortSignal): Promise<void> {
  const bar = new ProgressBar({ isOff: flags.json === true });
  const staging = new ImportStaging();
  try {
    const nextOrderId = await readSource(flags, staging, signal, (done, all) => bar.update('reading', done, all));
    bar.stop();
    const counters = { nextOrderId, stores: staging };
    if (!flags.yes) {
      report(flags, counters);
      return;
    }
    // Asked first, so that a second run of the same import takes no lock and writes nothing.
    const plan = planImport(flags.ledger, counters, () => {});
    signal.throwIfAborted();
    const summary = plan.isNeeded
      ? importCounters(flags.ledger, counters, (done, all) => bar.update('importing', done, all))
      : plan;
    bar.stop();
    printSummary(flags, summary, plan.isNeeded);
    if (!plan.isNeeded) say('nothing to do: the ledger is what this import makes of it');
  } finally {
    bar.stop();
    staging.close();
  }
}

async function readSource(
  { csv, nextOrderId, dynamodb }: ImportFlags,
  staging: ImportStaging,
  signal: AbortSignal,
  onProgress: (done: number, all: number) => void,
): Promise<bigint> {
  if (dynamodb !== undefined) return readDynamodb(dynamodb, staging, { signal, onProgress });
  if (csv === undefined || nextOrderId === undefined) throw new Error('the flags were not checked');
  await readCsv(csv, staging, { signal, onProgress });
  return nextOrderId;
}

/** The dry run. */
function report(flags: ImportFlags, counters: { nextOrderId: bigint; stores: ImportStaging }): void {
  const table = new Table({ head: ['store_id', 'next_number', ''], style: { head: [], border: [] } });
  let shown = 0;
  const onChange = ({ storeId, nextNumber, change }: StoreChange) => {
    if (flags.json) printJson({ storeId, nextNumber, change: WORDS[change] });
    else if (shown++ < MOST_SHOWN) table.push([String(storeId), String(nextNumber), WORDS[change]]);
  };
  const plan = planImport(flags.ledger, counters, onChange);
  if (!flags.json && shown > 0) print(table.toString());
  if (!flags.json && shown > MOST_SHOWN) print(`… and ${shown - MOST_SHOWN} more stores: --json lists them all`);
  printSummary(flags, plan, false);
  say(
    plan.isNeeded
      ? 'dry run: nothing was written; add --yes to import'
      : 'nothing to do: the ledger is what this import makes of it',
  );
}

function printSummary(flags: ImportFlags, summary: ImportSummary, isDone: boolean): void {
  const { ledgerId, nextOrderId, stores, storesMade, storesSet } = summary;
  if (flags.json) {
    printJson({ ledger: flags.ledger, ledgerId, nextOrderId, stores: String(stores), imported: isDone });
    return;
  }
  printFields({
    ledger: flags.ledger,
    ledger_id: ledgerId ?? '(made by the import)',
    next_order_id: nextOrderId,
    stores: `${stores} (${storesMade} new, ${storesSet} changed)`,
  });
}

function checkFlags(command: Command, { csv, nextOrderId, dynamodb }: ImportFlags): void {
  if ((csv === undefined) === (dynamodb === undefined)) {
    wrongUsage(command, 'name one file to import, with --csv <file> or with --dynamodb <file>');
  }
  if (csv !== undefined && nextOrderId === undefined) {
    wrongUsage(
      command,
      '--csv needs --next-order-id <number>: the first order_id to give, one above the last one given',
    );
  }
  if (dynamodb !== undefined && nextOrderId !== undefined) {
    wrongUsage(
      command,
      '--next-order-id goes with --csv: the table of --dynamodb has its own, in the item with StoreID 0',
    );
  }
}

function parseOrderId(text: string): bigint {
  const number = /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
  if (number >= 1n && number <= INT64_MAX) return number;
  throw new InvalidArgumentError(`Use a whole number from 1 to ${INT64_MAX}.`);
}
