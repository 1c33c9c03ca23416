import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { MoveTarget } from '../../../engines/postgres/operator/move-target.ts';
import { prepareDatabase } from '../../../engines/postgres/operator/prepare-database.ts';
import { schemaSql } from '../../../engines/postgres/schema/schema.ts';
import { MoveSource } from '../../../engines/sqlite/operator/move-source.ts';
import { parseLedgerPath, parseLedgerUrl } from '../../../engines/location.ts';
import type { PostgresUrl } from '../../../engines/postgres/connection/postgres-url.ts';
import { fieldTable } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import { moveLedger } from '../../../core/move/move-ledger.ts';
import type { OperatorContext } from '../../run/operator-command.ts';
import { runOperator, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';
import { asOptionParser } from '../../run/option-values.ts';

interface MigrateFlags extends OutputFlags {
  readonly print?: boolean;
  readonly from?: string;
  readonly to?: PostgresUrl;
}

const EXAMPLES = `
A server creates and upgrades its schema by itself if its role may. --to alone
does that in advance; --print prints the SQL for the owner to run with psql.

--from moves a whole ledger to an empty database. Stop its server first. All
rows are copied, both sides are compared row by row, and the copy is verified.
Only then is the old file sealed, so that no server starts on it again, and
numbering continues in the database exactly where the file ended. Old request
ids and page tokens stay valid. Until the file is sealed nothing is moved, and
its server may be started again. If the command is interrupted, run it again: it
resumes where it stopped.

With several hosts, as in postgres://user@a:5432,b:5432/orders, the first that
is a primary is used. Pass the password as PGPASSWORD, not in the URL, where
other users of this machine can see it.

Examples:
  order-numbers migrate --print | psql -v ON_ERROR_STOP=1 orders
  order-numbers migrate --to postgres://orders@db.example:5432/orders
  order-numbers migrate --from data/orders.db --to postgres://orders@db.example:5432/orders`;

/** `order-numbers migrate`: creates the schema of a PostgreSQL ledger, or moves a whole SQLite ledger into it. */
export function migrateCommand(): Command {
  const command = new Command('migrate')
    .option('--print', 'print the SQL of the schema, and do nothing else')
    .option('--to <url>', 'the database: postgres://user@host:5432/database', asOptionParser(parseLedgerUrl))
    .option('--from <path>', 'the SQLite file of the ledger to move; it is sealed afterwards', parsePath)
    .addHelpText('after', EXAMPLES);
  return withOperatorOutput(command).action(async (flags: MigrateFlags) => {
    const { print, from, to } = flags;
    if (print && (from !== undefined || to !== undefined || flags.json)) {
      command.error('error: --print takes no other option: it only prints SQL');
    }
    if (!print && to === undefined) {
      command.error('error: give the database with --to postgres://user@host:5432/database, or use --print');
    }
    await runOperator(
      flags,
      async (context) => {
        if (to === undefined) await context.output.line(schemaSql());
        else if (from === undefined) await upgrade(to, context);
        else await move(from, to, context);
      },
      'run the same command again',
    );
  });
}

async function upgrade(to: PostgresUrl, { output, json, signal, done }: OperatorContext): Promise<void> {
  const { session, schema } = await prepareDatabase(to.hosts, signal);
  await session.end();
  const { before, after } = schema;
  const did = before === after ? 'unchanged' : before === 0 ? 'created' : `upgraded from version ${before}`;
  done(`the schema of ${to.name} was ${did}`);
  await output.line(
    json
      ? jsonLine({ to: to.name, schemaVersion: after, changed: before !== after })
      : fieldTable({ to: to.name, schema: `version ${after}, ${did}` }),
  );
}

async function move(from: string, to: PostgresUrl, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal, say, done } = context;
  const began = performance.now();
  const moved = await moveLedger({
    openSource: () => MoveSource.open(from),
    openTarget: async (stop) => MoveTarget.open((await prepareDatabase(to.hosts, stop)).session, to.name),
    targetName: to.name,
    signal,
    onProgress: (step, ready, all) => bar?.update(step, ready, all),
    onWarning: (warning) => {
      bar?.clear();
      say(`warning: ${warning}`);
    },
  });
  bar?.stop();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { ledgerId, rows, stores, lastOrderId, wasDone } = moved;
  done(`${moved.from} was moved to ${moved.to}`);
  await output.line(
    json
      ? jsonLine({ ...moved, seconds: Number(seconds) })
      : fieldTable({
          from: moved.from,
          to: moved.to,
          ledger_id: ledgerId,
          rows,
          stores,
          last_order_id: lastOrderId,
          seconds,
        }),
  );
  await output.flush();
  if (json) return;
  say(
    wasDone
      ? `nothing to do: ${moved.from} was already moved to ${moved.to}`
      : `moved: serve it with --ledger ${moved.to}, and keep ${moved.from} as an archive`,
  );
}

const parsePath = asOptionParser((text) => {
  const path = parseLedgerPath(text);
  if (!existsSync(path)) throw new Error('The file does not exist: give the file of a ledger.');
  return path;
});
