import { Command, Option } from 'commander';
import type { OrderNumbersClient, Store, StoreSettings } from '../../client/index.ts';
import { OrderNumbersError } from '../../client/index.ts';
import { wholeNumber } from '../../core/text/plain-text.ts';
import { MAX_DIGITS } from '../../core/store.ts';
import { withClient } from '../run/client-command.ts';
import { withClientOptions } from '../run/client-options.ts';
import type { Column } from '../view/columns.ts';
import { Columns, grouped, localTime, shortTime, table } from '../view/columns.ts';
import { STORE_FIELDS, storeJson } from '../view/json-form.ts';
import { alone, rowForm, underHeader } from '../view/rows.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { CSV_ROWS } from '../view/output-option.ts';
import { asOptionParser, parseLimit, parseNumber } from '../run/option-values.ts';
import type { CommandContext } from '../run/run-command.ts';

/** Stores per page: the server's maximum. */
const PAGE_SIZE = 1000;
/** The default limit on a terminal. */
const TERMINAL_LIMIT = 100;
/** How many stores beyond the limit are counted, at most. */
const MAX_COUNTED = 1000;
const JSON_HELP = '\nWith --json: one object per store, as Store in the proto.\n';

interface StoreFlags extends OutputFlags {
  readonly store: bigint;
}

const STORE_COLUMNS: readonly Column<Store>[] = [
  { title: 'STORE', width: 10, align: 'right', value: ({ storeId }) => String(storeId) },
  { title: 'FIRST', width: 10, align: 'right', value: ({ firstNumber }) => String(firstNumber) },
  { title: 'NEXT', width: 10, align: 'right', value: nextNumber },
  { title: 'PREFIX', width: 8, value: ({ prefix }) => prefix },
  { title: 'SUFFIX', width: 8, value: ({ suffix }) => suffix },
  { title: 'DIGITS', width: 6, align: 'right', value: ({ minDigits }) => String(minDigits) },
  { title: 'CREATED', width: 29, value: ({ createTime }) => localTime(createTime) },
];

/** The same for a terminal: long values are truncated. */
const FITTED_STORE_COLUMNS: readonly Column<Store>[] = [
  { title: 'STORE', width: 6, align: 'right', value: ({ storeId }) => String(storeId) },
  { title: 'FIRST', width: 6, align: 'right', value: ({ firstNumber }) => String(firstNumber) },
  { title: 'NEXT', width: 6, align: 'right', value: nextNumber },
  { title: 'PREFIX', width: 6, least: 6, value: ({ prefix }) => prefix },
  { title: 'SUFFIX', width: 6, least: 6, value: ({ suffix }) => suffix },
  { title: 'DIGITS', width: 6, align: 'right', value: ({ minDigits }) => String(minDigits) },
  { title: 'CREATED', width: 19, value: ({ createTime }) => shortTime(createTime) },
];

/** `order-numbers stores …` */
export function storesCommand(): Command {
  const stores = new Command('stores');
  for (const command of [createCommand(), getCommand(), listCommand(), updateCommand()]) stores.addCommand(command);
  return stores;
}

function createCommand(): Command {
  const command = withSettingOptions(withStoreOption(new Command('create')))
    .description('create a store before its first allocation')
    .addHelpText(
      'after',
      `${JSON_HELP}
Examples:
  order-numbers stores create --store 32913
  order-numbers stores create --store 32913 --first-number 5000 --prefix A- --min-digits 6`,
    );
  return withClientOptions(command, { csv: CSV_ROWS }).action(
    async ({ store: storeId, ...flags }: StoreFlags & StoreSettings) => {
      const unknown = lookAt(storeId, 'created');
      await withClient(
        command,
        async (client, context) => show(await client.createStore({ storeId, ...settingsOf(flags) }), flags, context),
        { unknown, reword: (error) => remedyFor(error, storeId) },
      );
    },
  );
}

function remedyFor(error: unknown, storeId: bigint): string | undefined {
  if (!(error instanceof OrderNumbersError) || error.reason !== 'STORE_EXISTS') return undefined;
  return `store ${storeId} already exists: change it with order-numbers stores update --store ${storeId}`;
}

function getCommand(): Command {
  const command = withStoreOption(new Command('get'))
    .description('show one store')
    .addHelpText('after', `${JSON_HELP}\nExample:\n  order-numbers stores get --store 32913`);
  return withClientOptions(command, { csv: CSV_ROWS }).action(async (flags: StoreFlags) => {
    await withClient(command, async (client, context) => show(await client.getStore(flags.store), flags, context));
  });
}

interface ListFlags extends OutputFlags {
  readonly limit?: number;
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list the stores in store_id order')
    .addOption(
      new Option(
        '--limit <n|all>',
        `at most the first n (default: ${TERMINAL_LIMIT} on a terminal, else all)`,
      ).argParser(parseLimit),
    )
    .addHelpText('after', `${JSON_HELP}\nExample:\n  order-numbers stores list --json`);
  return withClientOptions(command, { csv: CSV_ROWS }).action(async (flags: ListFlags) =>
    withClient(command, (client, context) => listStores(client, flags, context)),
  );
}

/** Writes the list that the flags ask for. */
export async function listStores(
  client: Pick<OrderNumbersClient, 'listStores'>,
  flags: ListFlags,
  { output, json, terminalWidth, say }: CommandContext,
): Promise<void> {
  const columns =
    terminalWidth === undefined ? new Columns(STORE_COLUMNS) : new Columns(FITTED_STORE_COLUMNS, terminalWidth);
  const form = await rowForm({ json, csv: flags.csv }, underHeader(columns), STORE_FIELDS, storeJson);
  const isShort = flags.limit === undefined && !json && !flags.csv && terminalWidth !== undefined;
  const limit = flags.limit ?? (isShort ? TERMINAL_LIMIT : Infinity);
  let listed = 0;
  for await (const store of client.listStores({ pageSize: Math.min(PAGE_SIZE, isShort ? PAGE_SIZE : limit) })) {
    listed += 1;
    if (listed > limit + MAX_COUNTED) break;
    if (listed > limit) continue;
    // Not before the first answer: a list that is refused shows nothing.
    for (const line of form.row(store)) await output.line(line);
    if (listed === limit && !isShort) return;
  }
  if (listed === 0) for (const line of form.header()) await output.line(line);
  if (listed <= limit) return;
  await output.flush();
  const more = listed - limit > MAX_COUNTED ? `more than ${grouped(MAX_COUNTED)}` : grouped(listed - limit);
  say(`${limit} shown, ${more} more stores follow: --limit all shows all`);
}

function updateCommand(): Command {
  const command = withSettingOptions(withStoreOption(new Command('update')))
    .description('change a store from its next allocation on; settings that are not given stay')
    .addHelpText(
      'after',
      `${JSON_HELP}
Examples:
  order-numbers stores update --store 32913 --suffix /2026
  order-numbers stores update --store 32913 --prefix ''`,
    );
  return withClientOptions(command, { csv: CSV_ROWS }).action(
    async ({ store, ...flags }: StoreFlags & StoreSettings) => {
      const changes = settingsOf(flags);
      if (Object.values(changes).every((change) => change === undefined)) {
        command.error('error: nothing to change: give --first-number, --prefix, --suffix or --min-digits');
      }
      const unknown = lookAt(store, 'changed');
      await withClient(
        command,
        async (client, context) => show(await client.updateStore(store, changes), flags, context),
        { unknown },
      );
    },
  );
}

function withStoreOption(command: Command): Command {
  return command.addOption(
    new Option('--store <id>', 'store id (required)').argParser(parseNumber).makeOptionMandatory(),
  );
}

function withSettingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--first-number <n>', 'number to start at; fixed once the store has an allocation').argParser(
        parseNumber,
      ),
    )
    .option('--prefix <text>', 'text before the number in display numbers')
    .option('--suffix <text>', 'text after the number in display numbers')
    .addOption(
      new Option('--min-digits <n>', 'zero-pad display numbers to this many digits').argParser(
        asOptionParser(wholeNumber(0, MAX_DIGITS)),
      ),
    );
}

/** The settings among the flags. */
function settingsOf({ firstNumber, prefix, suffix, minDigits }: StoreSettings): StoreSettings {
  return { firstNumber, prefix, suffix, minDigits };
}

async function show(store: Store, flags: OutputFlags, { output }: CommandContext): Promise<void> {
  const form = await rowForm(flags, alone(storeTable), STORE_FIELDS, storeJson);
  for (const line of form.row(store)) await output.line(line);
}

function storeTable(store: Store): string {
  return table([
    ['store', String(store.storeId)],
    ['first number', String(store.firstNumber)],
    ['next number', nextNumber(store)],
    ['prefix', store.prefix],
    ['suffix', store.suffix],
    ['min digits', String(store.minDigits)],
    ['created', localTime(store.createTime)],
  ]);
}

function nextNumber(store: Store): string {
  return store.nextNumber === 0n ? 'used up' : String(store.nextNumber);
}

function lookAt(storeId: bigint, done: string) {
  const look = `order-numbers stores get --store ${storeId}`;
  return { advice: `To see whether the store was ${done}, run: ${look}`, fields: { look } };
}
