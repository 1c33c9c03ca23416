import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { schemaSql } from '../../../../src/engines/postgres/schema/schema.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { move, textOfDatabase, textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { databaseName } from '../../../support/postgres/database.ts';
import type { Pair } from '../../../support/postgres/pair.ts';
import { startPair } from '../../../support/postgres/pair.ts';
import { query } from '../../../support/postgres/query.ts';
import { AWAITS_STANDBY, commitAwaitsStandby } from '../../../support/postgres/standby-wait.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { ACTIVATION, ended, hasEnded, hold, isHeld, startMove } from '../../../support/ledgers/started-move.ts';
import { until } from '../../../support/until.ts';

/** The last write before the copy is compared, and the file sealed. */
const COUNTERS = 'BEFORE UPDATE ON order_numbers.ledger FOR EACH ROW WHEN (NEW.last_order_id <> OLD.last_order_id)';
const OF_THE_MOVE = `application_name = 'order-numbers'`;

/** The mark of a ledger that servers must not number in. */
const ID = expect.stringMatching(/./) as unknown;

/** One for all tests; each has a database of its own. */
let pair: Pair;
let databases = 0;

beforeAll(async () => {
  pair = await startPair();
  return () => pair.close();
});

it('P1 P4: a move waits for the standby at each step before it seals the file or opens the database', async () => {
  const { from, to } = await ledgers();
  const before = textOfFile(from);
  const goOn = await hold(to, COUNTERS);
  const finish = await hold(to, ACTIVATION);
  const child = startMove(from, to);
  await isHeld(to);
  await pauseStandby();
  await goOn();
  await commitAwaitsStandby(pair.primary, OF_THE_MOVE);
  expect(hasEnded(child)).toBe(false);
  expect({ sealedTo: sealOf(from), movingFrom: await movingFrom(to) }).toEqual({ sealedTo: null, movingFrom: ID });

  pair.standby.resume();
  await isHeld(to);
  expect(sealOf(from)).toContain(to);
  await pauseStandby();
  await finish();
  await commitAwaitsStandby(pair.primary, OF_THE_MOVE);
  expect(hasEnded(child)).toBe(false);
  expect(await movingFrom(to)).toEqual(ID);

  pair.standby.resume();
  expect([await ended(child), await child.said]).toEqual([0, expect.stringMatching(/^moved: serve it/)]);
  expect(await movingFrom(to)).toBeNull();
  expect(await textOfDatabase(to)).toEqual(before);
  await until('the standby has replayed all of it', async () => {
    return (await movingFrom(pair.standby.url(databaseName(to)))) === null;
  });
  expect(await textOfDatabase(pair.standby.url(databaseName(to)))).toEqual(before);
  expect((await whileServed(to, (client) => client.allocate(1n))).allocation.orderId).toBe(61n);
});

it('P4: a step whose wait for the standby is cancelled is not done, and the same command resumes', async () => {
  const { from, to } = await ledgers();
  const before = textOfFile(from);
  const goOn = await hold(to, COUNTERS);
  const child = startMove(from, to);
  await isHeld(to);
  await pauseStandby();
  await goOn();
  await commitAwaitsStandby(pair.primary, OF_THE_MOVE);
  await pair.primary.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY}`);
  expect(await ended(child)).toBe(1);
  expect(await child.said).toMatch(
    /stopped waiting for its standby; nothing was moved, and .* can still be served; run the same command again to continue\n$/,
  );
  expect(sealOf(from)).toBeNull();
  pair.standby.resume();
  expect(await move(from, to)).toMatchObject({ exitCode: 0 });
  expect(await textOfDatabase(to)).toEqual(before);
});

/** A file of 60 rows, and an empty database that has the schema. */
async function ledgers() {
  const from = fillLedger(join(testFolder(), 'orders.db'), ...fills(60)).database;
  const name = `moved_${++databases}`;
  await pair.primary.query(`CREATE DATABASE ${name}`);
  const to = pair.primary.url(name);
  await query(to, schemaSql());
  return { from, to };
}

async function pauseStandby(): Promise<void> {
  await pair.standby.pause();
  onTestFinished(() => pair.standby.resume());
}

/** The place that the file says it was moved to. */
function sealOf(path: string): unknown {
  const db = new Database(path, { readonly: true });
  const seal = db.prepare('SELECT sealed_to FROM ledger').pluck().get();
  db.close();
  return seal;
}

/** Not null while servers must not number here. */
async function movingFrom(url: string): Promise<unknown> {
  return (await query(url, 'SELECT moving_from FROM order_numbers.ledger'))[0]?.['moving_from'];
}
