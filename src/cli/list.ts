import { Command, Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import type { Allocation } from '../client/index.ts';
import { ALLOCATION_COLUMNS } from './allocation-view.ts';
import { withClient } from './client-command.ts';
import { withClientOptions } from './client-options.ts';
import { Columns } from './columns.ts';
import { allocationJson } from './json-form.ts';
import { parseNumber, wholeNumber } from './option-values.ts';

/** Allocations a page: the server's most. */
const PAGE_SIZE = 1000;
const CSV_COLUMNS: readonly (keyof ReturnType<typeof allocationJson>)[] = [
  'orderId',
  'storeId',
  'orderNumber',
  'count',
  'displayNumber',
  'prefix',
  'suffix',
  'minDigits',
  'requestId',
  'createTime',
];

interface ListFlags {
  readonly store?: bigint;
  readonly limit?: number;
  readonly csv?: boolean;
}

/** `order-numbers list` */
export function listCommand(): Command {
  const command = new Command('list')
    .description('list allocations in order_id order, up to the end that the ledger has now')
    .addOption(new Option('--store <id>', "only this store's (default: all)").argParser(parseNumber))
    .addOption(
      new Option('--limit <n>', 'the first n, at most (default: all)').argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      new Option('--csv', 'write CSV (RFC 4180) with a header line, columns as with --json').conflicts('json'),
    );
  return withClientOptions(command)
    .addHelpText(
      'after',
      `
With --json: one object a line, as Allocation in the proto.

Examples:
  order-numbers list --store 32913 --limit 20
  order-numbers list --csv > orders.csv
  order-numbers list --json | jq -r .displayNumber`,
    )
    .action(async ({ store, limit = Infinity, csv = false }: ListFlags) => {
      await withClient(command, async (client, { output, json }) => {
        const { header, row } = json ? jsonForm() : csv ? csvForm() : columnsForm();
        const filter = store === undefined ? {} : { storeId: store };
        let listed = 0;
        for await (const allocation of client.listAllocations({ ...filter, pageSize: Math.min(limit, PAGE_SIZE) })) {
          // Not before the first answer: a list that is refused shows nothing.
          if (listed === 0 && header !== undefined) await output.line(header);
          await output.line(row(allocation));
          listed += 1;
          if (listed >= limit) break;
        }
        if (listed === 0 && header !== undefined) await output.line(header);
      });
    });
}

/** How rows are written. */
interface RowForm {
  readonly header?: string;
  readonly row: (allocation: Allocation) => string;
}

function jsonForm(): RowForm {
  return { row: (allocation) => JSON.stringify(allocationJson(allocation)) };
}

function csvForm(): RowForm {
  return {
    header: csvLine(CSV_COLUMNS),
    row(allocation) {
      const values = allocationJson(allocation);
      return csvLine(CSV_COLUMNS.map((name) => values[name]));
    },
  };
}

function csvLine(cells: readonly (string | number)[]): string {
  return stringify([[...cells]], { eof: false });
}

function columnsForm(): RowForm {
  const columns = new Columns(ALLOCATION_COLUMNS);
  return { header: columns.header(), row: (allocation) => columns.row(allocation) };
}
