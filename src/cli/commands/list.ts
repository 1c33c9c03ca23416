import { Command, Option } from 'commander';
import type { Allocation, ListFilter, OrderNumbersClient } from '../../client/index.ts';
import { lastOrderIdOf } from '../../core/allocation.ts';
import { wholeNumber } from '../../core/text/plain-text.ts';
import { AllocationLines } from '../view/allocation-view.ts';
import { withClient } from '../run/client-command.ts';
import { withClientOptions } from '../run/client-options.ts';
import { grouped } from '../view/columns.ts';
import { ALLOCATION_FIELDS, allocationJson } from '../view/json-form.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { CSV_ROWS } from '../view/output-option.ts';
import { asOptionParser, parseCursor, parseLimit, parseNumber } from '../run/option-values.ts';
import type { CommandContext } from '../run/run-command.ts';
import { rowForm } from '../view/rows.ts';

/** Allocations per page: the server's maximum. */
const PAGE_SIZE = 1000;

/** The default limit on a terminal. */
const TERMINAL_LIMIT = 100;
/** How many are held in memory at most, to reverse them. */
const MAX_LAST = 100_000;

/** The options of a list. */
export interface ListFlags extends OutputFlags {
  readonly store?: bigint;
  readonly after?: bigint;
  readonly before?: bigint;
  readonly newestFirst?: boolean;
  readonly limit?: number;
  readonly last?: number;
}

/** `order-numbers list` */
export function listCommand(): Command {
  const command = new Command('list')
    .addOption(new Option('--store <id>', 'only this store (default: all)').argParser(parseNumber))
    .addOption(new Option('--after <order-id>', 'only allocations after this order_id').argParser(parseCursor))
    .addOption(new Option('--before <order-id>', 'only allocations before this order_id').argParser(parseNumber))
    .option('--newest-first', 'newest first (default: oldest first)')
    .addOption(
      new Option('--limit <n|all>', `at most the first n (default: ${TERMINAL_LIMIT} on a terminal, else all)`)
        .argParser(parseLimit)
        .conflicts('last'),
    )
    .addOption(
      new Option('--last <n>', 'at most the last n; the newest comes last, unless --newest-first is given').argParser(
        asOptionParser(wholeNumber(1, MAX_LAST)),
      ),
    );
  return withClientOptions(command, { csv: CSV_ROWS })
    .addHelpText(
      'after',
      `
With --json: one object per line, as Allocation in the proto.

On a terminal the table fits its width and truncates long request ids and
display numbers; get, --json, --csv and a pipe print them in full.

With --csv: a text that a spreadsheet would run as a formula, because it begins
with =, +, -, @ or a tab, gets a ' in front. One that already has a ' before
such a character gets another, so that removing one ' restores the text. --json
prints every text unchanged.

Examples:
  order-numbers list --last 20
  order-numbers list --store 32913 --newest-first --limit 20
  order-numbers list --after 1000 --before 2001
  order-numbers list --csv > orders.csv
  order-numbers list --json | jq -r .displayNumber`,
    )
    .action(async (flags: ListFlags) => {
      await withClient(command, (client, context) => listAllocations(client, flags, context));
    });
}

/** Writes the list that the flags ask for. */
export async function listAllocations(
  client: Pick<OrderNumbersClient, 'listAllocations' | 'getStore'>,
  flags: ListFlags,
  context: CommandContext,
): Promise<void> {
  const { output, json, terminalWidth } = context;
  const isTable = !json && !flags.csv;
  const form = await rowForm(
    { json, csv: flags.csv },
    new AllocationLines(terminalWidth),
    ALLOCATION_FIELDS,
    allocationJson,
  );
  const filter = filterOf(flags);
  const chosen = flags.last ?? flags.limit;
  const tellsMore = chosen === undefined && isTable && terminalWidth !== undefined;
  const limit = chosen ?? (tellsMore ? TERMINAL_LIMIT : Infinity);
  let listed = 0;
  let last: Allocation | undefined;
  let hasMore = false;
  // One more than is shown tells whether more follow.
  const pageSize = Math.min(tellsMore ? limit + 1 : limit, PAGE_SIZE);
  const allocations = client.listAllocations({ ...filter, pageSize });
  for await (const allocation of flags.last === undefined ? allocations : lastOf(allocations, flags)) {
    hasMore = listed >= limit;
    if (hasMore) break;
    // No header before the first answer: a list that is refused shows nothing.
    for (const line of form.row(allocation)) await output.line(line);
    listed += 1;
    last = allocation;
    if (listed >= limit && !tellsMore) break;
  }
  if (listed === 0) {
    // An empty list does not tell a store without orders from a mistyped one.
    if (flags.store !== undefined) await client.getStore(flags.store);
    for (const line of form.header()) await output.line(line);
  }
  if (hasMore && last !== undefined) {
    await output.flush();
    context.say(await moreLine(client, filter, last, limit));
  }
}

function filterOf({ store, after, before, newestFirst = false, last }: ListFlags): ListFilter {
  return {
    storeId: store,
    afterOrderId: after,
    beforeOrderId: before,
    newestFirst: newestFirst || last !== undefined,
  };
}

/** The first n of a list that comes newest first, reversed unless --newest-first is given. */
async function* lastOf(
  allocations: AsyncIterable<Allocation>,
  { last = 0, newestFirst = false }: ListFlags,
): AsyncIterable<Allocation> {
  const held: Allocation[] = [];
  for await (const allocation of allocations) if (held.push(allocation) >= last) break;
  yield* newestFirst ? held : held.toReversed();
}

/**
 * How many numbers follow the last allocation shown, computed from the list's other end. An upper bound, because
 * declared losses are among them.
 */
async function moreLine(
  client: Pick<OrderNumbersClient, 'listAllocations'>,
  filter: ListFilter,
  shown: Allocation,
  limit: number,
): Promise<string> {
  const { storeId, newestFirst = false } = filter;
  const fromTheEnd = client.listAllocations({ ...filter, newestFirst: !newestFirst, pageSize: 1 });
  const { value: end = shown } = (await fromTheEnd.next()) as IteratorResult<Allocation, undefined>;
  await fromTheEnd.return?.();
  const first = (allocation: Allocation) => (storeId === undefined ? allocation.orderId : allocation.orderNumber);
  const behind = (allocation: Allocation) => first(allocation) + BigInt(allocation.count);
  const more = newestFirst ? first(shown) - first(end) : behind(end) - behind(shown);
  const where = newestFirst ? `down to order_id ${end.orderId}` : `up to order_id ${lastOrderIdOf(end)}`;
  return (
    `${limit} shown, at most ${grouped(more)} more numbers follow, ${where}: ` +
    '--limit all shows all, --last 20 the newest'
  );
}
