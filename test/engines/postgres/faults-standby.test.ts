import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { allocate } from '../../../src/engines/postgres/statements/allocate-call.ts';
import { confirm } from '../../../src/engines/postgres/statements/confirm-call.ts';
import { Session } from '../../../src/engines/postgres/connection/session.ts';
import { changeStore, createStore } from '../../../src/engines/postgres/statements/store-calls.ts';
import { PostgresCluster } from '../../support/postgres/cluster/cluster.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { databaseName } from '../../support/postgres/database.ts';
import { query } from '../../support/postgres/query.ts';
import { AWAITS_STANDBY, commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import { until } from '../../support/until.ts';
import { OpenedLedger } from './opened-ledger.ts';

const FIRST = { orderId: 1n, orderNumber: 100n };
const FROM_SERVER = `application_name = 'order-numbers'`;

/** One pair for all tests; each has a database of its own. */
let primary: PostgresCluster;
let standby: PostgresCluster;

beforeAll(async () => {
  primary = await PostgresCluster.start();
  standby = await primary.makeStandby('standby');
  await primary.requireSync('standby');
  await primary.syncsTo('standby');
  return () => primary.close();
});

describe('a commit that waits for its standby', () => {
  it.each([
    ['cancelled', 'pg_cancel_backend', /stopped waiting for its standby/],
    ['terminated', 'pg_terminate_backend', /lost the connection/],
  ])('P4 P5: and is %s is not answered before a standby has it, and exists once', async (_, end, says) => {
    const url = await newDatabase();
    const opened = await OpenedLedger.open(url);
    await standby.pause();
    onTestFinished(() => standby.resume());
    let isAnswered = false;
    const outcome = opened.allocate('cancelled').finally(() => (isAnswered = true));
    await waits();
    await primary.query(`SELECT ${end}(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY} AND ${FROM_SERVER}`);
    await opened.says(says);
    // It retries, and waits again: every session sees the row, and no standby has it.
    await waits();
    expect(await rowsOf(url)).toBe(1);
    expect(isAnswered).toBe(false);
    standby.resume();
    expect(await outcome).toMatchObject({ allocation: { ...FIRST, requestId: 'cancelled' } });
    expect(await assertDense(url)).toHaveLength(1);
  });

  it('P4 P5: for longer than an attempt may take is retried behind it, and exists once', async () => {
    const url = await newDatabase();
    const opened = await OpenedLedger.open(url);
    await standby.pause();
    onTestFinished(() => standby.resume());
    const outcome = opened.allocate();
    await opened.says(/did not answer within/);
    standby.resume();
    expect(await outcome).toMatchObject({ allocation: FIRST });
    expect(await assertDense(url)).toHaveLength(1);
  });

  it('P4: is not ended by a statement_timeout', async () => {
    const url = await newDatabase();
    await query(url, `ALTER DATABASE ${databaseName(url)} SET statement_timeout = '50ms'`);
    const opened = await OpenedLedger.open(url);
    await standby.pause();
    onTestFinished(() => standby.resume());
    const outcome = opened.allocate();
    await waits(`AND clock_timestamp() - query_start > interval '500ms'`);
    standby.resume();
    expect(await outcome).toMatchObject({ allocation: FIRST, replayed: false });
    expect(opened.said).toEqual([]);
  });

  it('P4: shows its row to no reader, and reports what was confirmed before', async () => {
    const url = await newDatabase();
    const [writer, reader] = await Promise.all([OpenedLedger.open(url), OpenedLedger.open(url)]);
    await writer.allocate('confirmed');
    expect(await reader.ledger.reads.end()).toMatchObject({ lastOrderId: 1n });
    await standby.pause();
    onTestFinished(() => standby.resume());
    const outcome = writer.allocate('waits');
    await waits();
    expect(await reader.ledger.reads.end()).toMatchObject({ lastOrderId: 1n });
    expect(await reader.ledger.reads.getAllocation({ orderId: 2n })).toBeUndefined();
    standby.resume();
    await outcome;
    expect(await reader.ledger.reads.getAllocation({ orderId: 2n })).toMatchObject({ requestId: 'waits' });
  });
});

it('P4: what another server has numbered and cannot be confirmed is neither shown nor passed over in silence', async () => {
  const url = await newDatabase();
  const [writer, idle] = await Promise.all([OpenedLedger.open(url), OpenedLedger.open(url)]);
  await writer.allocate('r1');
  expect(await listed(idle.ledger)).toEqual([1n]);
  for (const requestId of ['r2', 'r3']) await writer.allocate(requestId);
  await standby.pause();
  onTestFinished(() => standby.resume());
  // What it has confirmed itself is whole.
  expect(await listed(writer.ledger)).toEqual([1n, 2n, 3n]);
  const { reads } = idle.ledger;
  expect(await reads.end()).toMatchObject({ lastOrderId: 1n, mayHaveMore: true });
  const refused = { reason: 'LEDGER_REOPENING' };
  // As on a page that follows one of the other server, whose end was higher.
  const page = { afterOrderId: 0n, upToOrderId: 3n, storeId: undefined, limit: 100 };
  await expect(reads.listAllocations(page)).rejects.toMatchObject(refused);
  await expect(reads.verify(undefined)[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
  standby.resume();
  await idle.ledger.ready();
  expect(await listed(idle.ledger)).toEqual([1n, 2n, 3n]);
  expect(await reads.end()).toMatchObject({ mayHaveMore: false });
});

it('P5: a primary without its standby never reports that a request has no numbers: a new primary may have given some', async () => {
  const url = await newDatabase();
  const opened = await OpenedLedger.open(url);
  await opened.allocate('before');
  const { reads } = opened.ledger;
  const request = { storeId: 1n, requestId: 'given-elsewhere' };
  expect(await reads.getAllocation(request)).toBeUndefined();
  await standby.pause();
  onTestFinished(() => standby.resume());
  await expect(reads.getAllocation(request)).rejects.toMatchObject({ reason: 'LEDGER_REOPENING' });
  // What was confirmed before is true of both.
  expect(await reads.getAllocation({ storeId: 1n, requestId: 'before' })).toMatchObject({ orderId: 1n });
  standby.resume();
  await opened.ledger.ready();
  expect(await reads.getAllocation(request)).toBeUndefined();
});

describe('a backend that was never set up, as behind a pooler in transaction mode', () => {
  const store = { storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 };

  it.each<[string, (session: Session) => Promise<unknown>]>([
    ['a batch', (session) => allocate(session, [{ storeId: 1n, requestId: 'r', count: 1, caller: '' }], true)],
    ['a confirmation', (session) => confirm(session)],
    ['a new store', (session) => createStore(session, store)],
    ['a changed store', (session) => changeStore(session, 1n, { prefix: 'A' })],
  ])('P4: %s still waits for the standby, and reports a cancelled wait', async (_, write) => {
    const url = await newDatabase();
    const opened = await OpenedLedger.open(url);
    await opened.allocate();
    await query(url, `ALTER DATABASE ${databaseName(url)} SET synchronous_commit = off`);
    await query(url, `ALTER DATABASE ${databaseName(url)} SET client_min_messages = error`);
    const session = await Session.open(url, new AbortController().signal);
    onTestFinished(() => session.abandon());
    await session.query('RESET ALL');
    expect(await session.query('SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'off' }]);
    await standby.pause();
    onTestFinished(() => standby.resume());
    const cancelled = waits().then(() =>
      primary.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY}`),
    );
    await expect(write(session)).rejects.toThrow('stopped waiting for its standby');
    await cancelled;
    expect(session.isShared).toBe(false);
  });
});

describe('--ledger-read', () => {
  it('serves lists and lookups from the standby, but looks up request_ids on the primary', async () => {
    const { url, opened } = await openReadingFromStandby();
    const { ledger } = opened;
    expect(await ledger.reads.getAllocation({ orderId: 2n })).toMatchObject({ orderId: 2n });
    expect(await ledger.reads.getAllocation({ storeId: 1n, orderNumber: 101n })).toMatchObject({ orderId: 2n });
    expect(await ledger.reads.getAllocation({ storeId: 1n, requestId: 'r2' })).toMatchObject({ orderId: 2n });
    const last = 'SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';
    const asked = async (server: PostgresCluster) => JSON.stringify(await query(on(server, url), last));
    expect(await asked(standby)).toMatch(/allocation_up_to_order_number/);
    expect(await asked(standby)).not.toMatch(/allocation_by_request_id/);
    expect(await asked(primary)).toMatch(/allocation_by_request_id/);
  });

  it('P4: hides nothing confirmed if the standby is behind', async () => {
    const { opened } = await openReadingFromStandby();
    await standby.query('SELECT pg_wal_replay_pause()');
    onTestFinished(async () => void (await standby.query('SELECT pg_wal_replay_resume()')));
    await opened.allocate('late');
    const { reads } = opened.ledger;
    expect(await listed(opened.ledger)).toEqual([1n, 2n, 3n, 4n]);
    expect(await reads.getAllocation({ orderId: 4n })).toMatchObject({ requestId: 'late' });
    expect(await reads.getAllocation({ storeId: 1n, orderNumber: 103n })).toMatchObject({ requestId: 'late' });
    expect(await reads.getAllocation({ storeId: 1n, requestId: 'late' })).toMatchObject({ orderId: 4n });
    let verdict: unknown;
    for await (const event of reads.verify(undefined)) verdict = event;
    expect(verdict).toMatchObject({ kind: 'verdict', asOfOrderId: 4n, ok: true });
  });

  it('fails no read if the standby refuses connections', async () => {
    const { opened } = await openReadingFromStandby();
    await standby.kill();
    onTestFinished(async () => {
      await standby.restart();
      await primary.syncsTo('standby');
    });
    expect(await listed(opened.ledger)).toEqual([1n, 2n, 3n]);
    expect(await opened.ledger.reads.getAllocation({ orderId: 3n })).toMatchObject({ requestId: 'r3' });
  });

  it('fails no read if the standby does not answer, and lets the ledger close', async () => {
    const { opened } = await openReadingFromStandby();
    await standby.pause();
    onTestFinished(() => standby.resume());
    const startMs = performance.now();
    expect(await listed(opened.ledger)).toEqual([1n, 2n, 3n]);
    // A read alone has ten seconds.
    expect(performance.now() - startMs).toBeLessThan(9000);
    await opened.ledger.close();
  });
});

let databases = 0;

async function newDatabase(): Promise<string> {
  const name = `ledger_${++databases}`;
  await primary.query(`CREATE DATABASE ${name}`);
  return primary.url(name);
}

/** The URL of the same database on another server. */
function on(server: PostgresCluster, url: string): string {
  return server.url(databaseName(url));
}

/** A ledger with three allocations, which the standby has, too. */
async function openReadingFromStandby(): Promise<{ url: string; opened: OpenedLedger }> {
  const url = await newDatabase();
  const opened = await OpenedLedger.open(url, { readUrl: on(standby, url) });
  for (const requestId of ['r1', 'r2', 'r3']) await opened.allocate(requestId);
  await until('the standby is as far', async () => {
    const [row] = await query(on(standby, url), 'SELECT last_order_id FROM order_numbers.ledger').catch(() => []);
    return row?.['last_order_id'] === 3n;
  });
  expect(await listed(opened.ledger)).toEqual([1n, 2n, 3n]);
  return { url, opened };
}

async function listed({ reads }: OpenedLedger['ledger']): Promise<bigint[]> {
  const { lastOrderId } = await reads.end();
  const range = { afterOrderId: 0n, upToOrderId: lastOrderId, storeId: undefined, limit: 100 };
  return (await reads.listAllocations(range)).map(({ orderId }) => orderId);
}

function waits(also = ''): Promise<void> {
  return commitAwaitsStandby(primary, `${FROM_SERVER} ${also}`);
}

async function rowsOf(url: string): Promise<number> {
  return (await query(url, 'SELECT FROM order_numbers.allocations')).length;
}
