import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { prepareDatabase } from '../../../engines/postgres/operator/prepare-database.ts';
import { schemaSql } from '../../../engines/postgres/schema/schema.ts';
import { engineOf, ledgerName, parseLedger } from '../../../engines/location.ts';
import { parsePostgresUrl } from '../../../engines/postgres/connection/postgres-url.ts';
import { openMoveSource, openMoveTarget } from '../../../engines/registry.ts';
import { LedgerRefused } from '../../../core/errors.ts';
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
  readonly to?: string;
  readonly giveUp?: boolean;
}

const EXAMPLES = `
A server creates and upgrades its schema in PostgreSQL by itself if its role
may. --to alone does that in advance; --print prints the SQL for the owner to
run with psql.

--from moves a whole ledger from one engine to another, into an empty place: a
file that does not exist, a database without numbers, or a table without a
ledger. Stop its servers first. All rows are copied, both sides are compared row
by row, and the copy is verified. Only then is the old place sealed, so that no
server starts on it again, and numbering continues in the new one exactly where
the old one ended. Old request ids and page tokens stay valid. Until the old
place is sealed nothing is moved, and its server may be started again. If the
command is interrupted, run it again: it resumes where it stopped.

A table of DynamoDB knows of its move: a server that still runs there refuses to
number meanwhile. If the command was killed and is not to be run again,
--give-up lets servers number in the table again.

With several hosts, as in postgres://user@a:5432,b:5432/orders, the first that
is a primary is used. Pass the password as PGPASSWORD, not in the URL, where
other users of this machine can see it.

Examples:
  order-numbers migrate --print | psql -v ON_ERROR_STOP=1 orders
  order-numbers migrate --to postgres://orders@db.example:5432/orders
  order-numbers migrate --from data/orders.db --to postgres://orders@db.example:5432/orders
  order-numbers migrate --from postgres://orders@db.example:5432/orders --to dynamodb://orders?region=eu-central-1
  order-numbers migrate --from dynamodb://orders?region=eu-central-1 --to data/orders.db
  order-numbers migrate --from dynamodb://orders?region=eu-central-1 --give-up`;

/** `order-numbers migrate`: creates the schema of a PostgreSQL ledger, or moves a whole ledger to another engine. */
export function migrateCommand(): Command {
  const command = new Command('migrate')
    .option('--print', 'print the SQL of the schema, and do nothing else')
    .option('--to <ledger>', 'the new place: as --ledger of serve takes it', asOptionParser(parseLedger))
    .option('--from <ledger>', 'the ledger to move, in another engine; it is sealed afterwards', parseSource)
    .option('--give-up', 'let servers number again in the table --from, which a move has not left')
    .addHelpText('after', EXAMPLES);
  return withOperatorOutput(command).action(async (flags: MigrateFlags) => {
    const { print, from, to, giveUp } = flags;
    const wrong = misuseOf(flags);
    if (wrong !== undefined) command.error(`error: ${wrong}`);
    await runOperator(
      flags,
      async (context) => {
        if (print) await context.output.line(schemaSql());
        else if (from !== undefined && giveUp) await release(from, context);
        else if (from !== undefined) await move(from, to!, context);
        else await upgrade(parsePostgresUrl(to!), context);
      },
      'run the same command again',
    );
  });
}

/** What is wrong with these flags together. */
function misuseOf({ print, from, to, giveUp, json }: MigrateFlags): string | undefined {
  if (print) {
    const isAlone = from === undefined && to === undefined && !giveUp && !json;
    return isAlone ? undefined : '--print takes no other option: it only prints SQL';
  }
  if (giveUp) {
    return from !== undefined && to === undefined ? undefined : 'give --give-up with --from, and without --to';
  }
  if (to === undefined) {
    return 'give the database with --to postgres://user@host:5432/database, or use --print; with --from, any other place';
  }
  if (from === undefined) {
    if (engineOf(to) === 'postgres') return undefined;
    return 'only a PostgreSQL database has a schema to create: Use postgres://user@host:5432/database, or add --from';
  }
  if (engineOf(from) !== engineOf(to)) return undefined;
  return '--from and --to are in the same engine, which has tools of its own to copy a ledger: see docs/operations.md';
}

async function upgrade(
  to: ReturnType<typeof parsePostgresUrl>,
  { output, json, signal, done }: OperatorContext,
): Promise<void> {
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

async function move(from: string, to: string, context: OperatorContext): Promise<void> {
  const { output, json, bar, signal, say, done } = context;
  const began = performance.now();
  const moved = await moveLedger({
    openSource: () => openMoveSource(from, signal),
    openTarget: (stop) => openMoveTarget(to, stop),
    targetName: ledgerName(to),
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

async function release(from: string, { output, json, signal, done }: OperatorContext): Promise<void> {
  const source = await openMoveSource(from, signal);
  try {
    if (source.isSealed) throw new LedgerRefused(`${source.name} was moved, so there is nothing to give up`);
    await source.release();
    done(`servers may number in ${source.name} again`);
    await output.line(
      json ? jsonLine({ from: source.name, givenUp: true }) : fieldTable({ from: source.name, state: 'may be served' }),
    );
  } finally {
    await source.close();
  }
}

const parseSource = asOptionParser((text) => {
  const ledger = parseLedger(text);
  if (engineOf(ledger) === 'sqlite' && !existsSync(ledger)) {
    throw new Error('The file does not exist: give the file of a ledger.');
  }
  return ledger;
});
