import { Command, Option } from 'commander';
import { withSdk } from '../../../engines/dynamodb/connection/sdk.ts';
import { parseTableName } from '../../../engines/dynamodb/connection/dynamodb-url.ts';
import type { Reindexed } from '../../../engines/dynamodb/operator/reindex.ts';
import { tableTemplate, yamlOf } from '../../../engines/dynamodb/operator/table-template.ts';
import { parseLedgerTable } from '../../../engines/location.ts';
import { EXIT_REFUSED } from '../../run/failure.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import { asOptionParser } from '../../run/option-values.ts';
import { runCommand } from '../../run/run-command.ts';
import { fieldTable } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import type { OutputFlags } from '../../view/output-option.ts';

interface PrintFlags extends OutputFlags {
  readonly table: string;
}

type TableUrl = ReturnType<typeof parseLedgerTable>;

/** `order-numbers dynamodb …`: what operators need around a DynamoDB ledger. */
export function dynamodbCommand(): Command {
  const dynamodb = new Command('dynamodb');
  for (const command of [printTableCommand(), reindexCommand()]) dynamodb.addCommand(command);
  return dynamodb;
}

function printTableCommand(): Command {
  return new Command('print-table')
    .description('print the CloudFormation template of the table, and do nothing else')
    .addOption(new Option('--table <name>', 'the name of the table').default('orders').argParser(parseName))
    .option('--json', 'print JSON instead of YAML')
    .addHelpText('after', PRINT_TEXT)
    .action(({ table, json = false }: PrintFlags) =>
      runCommand(json, async ({ output }) => {
        const template = tableTemplate(table);
        await output.line(json ? JSON.stringify(template, undefined, 2) : yamlOf(template));
      }),
    );
}

const PRINT_TEXT = `
A server creates its table by itself if its role may. This template is for one
that may not: billing is on demand, and the table can be restored to any second
of the last 35 days (point-in-time recovery), and is protected from deletion.
CloudFormation takes JSON, too.

Examples:
  order-numbers dynamodb print-table > table.yaml
  order-numbers dynamodb print-table --table shop-orders --json`;

function reindexCommand(): Command {
  return withOperatorOutput(
    new Command('reindex')
      .description('rebuild everything but the log of a DynamoDB ledger, beside its servers')
      .argument('<url>', 'the table: dynamodb://TABLE?region=…', asOptionParser(parseLedgerTable))
      .addHelpText('after', REINDEX_TEXT),
  ).action((url: TableUrl, flags: OutputFlags) =>
    runOperator(
      flags,
      (context) => reindex(url, context),
      'the log was not touched, and what was written is good; run the same command again to continue',
    ),
  );
}

const REINDEX_TEXT = `
A DynamoDB ledger is a log, and all its other items lead into it: they can be
made again at any time. This reads the whole log, compares every item with it,
and writes what is missing or different; then it reads the whole table in search
of items that no log entry leads to. Those are reported and left as they are.
It is for a table whose items were changed by hand, or that verify finds damaged
outside its log. Servers may run meanwhile. It never writes to the log. Its role
needs dynamodb:Scan, which servers do not.

Exit code 1 if such an item was found, or if the log itself is damaged.

Examples:
  order-numbers dynamodb reindex 'dynamodb://orders?region=eu-central-1'`;

async function reindex({ url, name }: TableUrl, context: OperatorContext): Promise<number> {
  const { output, json, bar, signal, say, done } = context;
  const { reindexTable } = await withSdk(() => import('../../../engines/dynamodb/operator/reindex.ts'));
  const found = await reindexTable(url, { signal, onProgress: (step, ready, all) => bar?.update(step, ready, all) });
  bar?.stop();
  done(`the items of ${name} were compared with its log`);
  await output.line(json ? asJson(name, found) : asText(name, found));
  if (found.stray === 0) return 0;
  await output.flush();
  say(
    `warning: no log entry leads to ${found.stray} items, such as ${found.strayKeys.join(', ')} (partition and sort key); ` +
      'servers may answer from them, so delete them unless something else uses this table',
  );
  return EXIT_REFUSED;
}

function asJson(ledger: string, { ledgerId, strayKeys, ...counts }: Reindexed): string {
  return jsonLine({ ledger, ledgerId, ...counts, strayKeys });
}

function asText(ledger: string, { ledgerId, entries, items, missing, different, pending, stray }: Reindexed): string {
  return fieldTable({
    ledger,
    ledger_id: ledgerId,
    log: `${entries} ${entries === 1 ? 'entry' : 'entries'}, which lead to ${items} items`,
    written: `${missing} missing, ${different} different, ${pending} of the newest entries`,
    stray,
  });
}

const parseName = asOptionParser(parseTableName);
