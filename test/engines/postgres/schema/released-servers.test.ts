import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { newestVersion } from '../../../../src/engines/postgres/schema/schema.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { schemaOfVersion } from '../../../support/postgres/older-schema.ts';
import { ReleasedServer } from '../../../support/postgres/released-server.ts';
import { until } from '../../../support/until.ts';
import { endSessions, OpenedLedger } from '../opened-ledger.ts';

const TABLES = ['ledger', 'stores', 'allocations', 'declared_losses', 'migrations'];
const VERSION = 'SELECT order_numbers.schema_version() AS version';
/** Batches of each server that are committed on the same schema. */
const BATCHES = 20;

/** A database as the last release has left it, and its server, which has prepared and used all of its statements. */
async function releasedDatabase(): Promise<{ readonly url: string; readonly released: ReleasedServer }> {
  const url = await newDatabase();
  await query(url, schemaOfVersion(2));
  const released = await ReleasedServer.connect(url);
  await released.allocate('before-0', 'before-1', 'before-2', 'before-3');
  await released.write();
  await released.read();
  return { url, released };
}

/** A transaction that holds locks until the test ends, or until it is told to release them. */
async function holdLocks(url: string, ...locks: readonly string[]): Promise<Client> {
  const holder = new Client({ connectionString: url });
  holder.on('error', () => {});
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query(`BEGIN; ${locks.map((lock) => `LOCK TABLE order_numbers.${lock} MODE;`).join(' ')}`);
  return holder;
}

async function migrationWaits(url: string): Promise<void> {
  const waiting = `SELECT FROM pg_locks WHERE relation = 'order_numbers.migrations'::regclass AND NOT granted`;
  await until('a migration waits at its end', async () => (await query(url, waiting)).length > 0);
}

it('an upgrade locks nothing that servers of the last release or a dump use, and is undone if it is killed', async () => {
  const { url, released } = await releasedDatabase();
  const before = await released.read();
  await holdLocks(url, ...TABLES.map((table) => `${table} IN ACCESS SHARE`));
  const atTheEnd = await holdLocks(url, 'migrations IN SHARE');
  const opened = new OpenedLedger(url);
  await migrationWaits(url);
  // All but its last row is done, in a transaction that holds its locks.
  expect(await released.read()).toEqual(before);
  const outcomes = await released.allocate('before-0', 'meanwhile');
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['new', 'replay']));
  await released.write();

  await endSessions(url);
  expect(await query(url, `${VERSION}, to_regclass('order_numbers.callers') AS callers`)).toEqual([
    { version: 2, callers: null },
  ]);
  // The server tries again by itself.
  await migrationWaits(url);
  const during = await released.read();
  await atTheEnd.query('ROLLBACK');
  await opened.ledger.ready();
  expect(await query(url, VERSION)).toEqual([{ version: newestVersion() }]);
  expect(await released.read()).toEqual(during);
  await released.write();
});

/** Who took a key that only one server has asked for. */
function callerOf(requestId: string): string {
  return requestId.startsWith('new-') ? `caller-${Number(requestId.slice('new-'.length)) % 3}` : '';
}

it.each([
  ['is at work while the new one upgrades', true, false],
  ['was connected before and begins afterwards', false, false],
  ['connects afterwards, as after a failover', false, true],
])('P1 P2 P3 P5: a server of the last release that %s numbers beside the new one', async (_, isAtWork, reconnects) => {
  const database = await releasedDatabase();
  const { url } = database;
  let { released } = database;
  const stop = new AbortController();
  const batches = { released: 0, fresh: 0 };
  const workReleased = async (): Promise<void> => {
    for (let i = 0; !stop.signal.aborted; i++) {
      await released.allocate(`old-${i}`, `both-${i}`, `old-${i}-b`);
      await released.read();
      batches.released++;
    }
  };
  const oldAtWork = isAtWork ? workReleased() : undefined;
  await until('the older server is at work', () => !isAtWork || batches.released >= 3);

  const { ledger } = await OpenedLedger.open(url);
  const work = async (): Promise<void> => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const batch = [`new-${i}`, `both-${i}`].map((requestId, j) => ({
        storeId: BigInt(j + 1),
        requestId,
        count: 1,
        caller: `caller-${i % 3}`,
      }));
      await ledger.commit(batch);
      batches.fresh++;
    }
  };
  const newAtWork = work();
  await until('the new server is at work', () => batches.fresh >= 3);
  if (reconnects) released = await ReleasedServer.connect(url);
  const begun = { ...batches };
  const working = [newAtWork, oldAtWork ?? workReleased()];
  const isDone = () => batches.released - begun.released >= BATCHES && batches.fresh - begun.fresh >= BATCHES;
  await Promise.race([until('both have numbered beside each other', isDone), ...working]);
  stop.abort();
  await Promise.all(working);

  const rows = await assertDense(url);
  const range = { afterOrderId: 0n, upToOrderId: BigInt(rows.length), storeId: undefined, limit: 100_000 };
  const listed = await ledger.reads.listAllocations(range);
  expect(listed).toHaveLength(rows.length);
  // Either server can have been the first with a key that both have asked for.
  const own = listed.filter(({ requestId }) => !requestId.startsWith('both-'));
  expect(own.map(({ caller }) => caller)).toEqual(own.map(({ requestId }) => callerOf(requestId)));
  const first = listed.find(({ caller }) => caller !== '');
  expect(await ledger.commit([{ ...first!, caller: 'late' }])).toEqual([{ allocation: first, replayed: true }]);
});
