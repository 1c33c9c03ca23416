import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ServerState } from '../../../src/engines/postgres/connection/server-state.ts';
import { requireDurable } from '../../../src/engines/postgres/connection/server-state.ts';
import { Session } from '../../../src/engines/postgres/connection/session.ts';
import { isBatch } from '../../support/postgres/batch-query.ts';
import { newDatabaseWithSchema } from '../../support/postgres/database-with-schema.ts';
import { databaseName, newDatabase, query } from '../../support/postgres/database.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { holdCounter } from '../../support/postgres/held-counter.ts';
import { until } from '../../support/until.ts';
import { asRole, newRole, OpenedLedger, proxiedDatabase } from './opened-ledger.ts';

const FIRST = { orderId: 1n, orderNumber: 100n };

describe('a batch that PostgreSQL rolls back', () => {
  it.each([
    ['deadlock', '40P01'],
    ['serialization failure', '40001'],
    ['lock not available', '55P03'],
  ])('P5: because of a %s is retried on the same session, and numbered once', async (_, sqlState) => {
    const url = await newDatabaseWithSchema();
    const opened = await OpenedLedger.open(url);
    await raiseOnInsert(url, sqlState, { once: true });
    expect(await opened.allocate()).toMatchObject({ allocation: FIRST, replayed: false });
    expect(await assertDense(url)).toHaveLength(1);
    expect(opened.said.filter((sentence) => /lost the connection/.test(sentence))).toEqual([]);
  });

  it('P6: on a full disk is refused as a whole, and burns nothing', async () => {
    const url = await newDatabaseWithSchema();
    const opened = await OpenedLedger.open(url);
    await opened.allocate();
    await raiseOnInsert(url, '53100');
    const batch = [1, 2, 3].map((i) => ({ storeId: BigInt(i), requestId: `full-${i}`, count: 5, caller: '' }));
    await expect(opened.ledger.commit(batch)).rejects.toMatchObject({ reason: 'LEDGER_FULL' });
    expect(await assertDense(url)).toHaveLength(1);
    await query(url, 'DROP TRIGGER fails ON order_numbers.allocations');
    expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n } });
    expect(opened.said.filter((sentence) => /lost the connection/.test(sentence))).toEqual([]);
  });

  it('P7: on a full disk is not refused if it may have been committed before', async () => {
    const { url, proxy, proxiedUrl } = await proxiedDatabase();
    const opened = await OpenedLedger.open(proxiedUrl);
    await raiseOnInsert(url, '53100', { from: 2 });
    const cut = proxy.cutAnswerOfNext(isBatch);
    const outcome = opened.allocate();
    await cut;
    await until('it was asked again', async () => {
      const [row] = await query(url, 'SELECT last_value FROM order_numbers.inserts');
      return Number(row!['last_value']) >= 3;
    });
    await query(url, 'DROP TRIGGER fails ON order_numbers.allocations');
    expect(await outcome).toMatchObject({ allocation: FIRST, replayed: true });
    expect(await assertDense(url)).toHaveLength(1);
  });

  it('P7: for an unforeseen reason is an unknown outcome, and the next one is numbered', async () => {
    const url = await newDatabaseWithSchema();
    const opened = await OpenedLedger.open(url);
    await raiseOnInsert(url, 'P0001', { once: true });
    await expect(opened.allocate()).rejects.toThrow('raised by a trigger');
    expect(await opened.allocate()).toMatchObject({ allocation: FIRST });
  });
});

describe('settings of a database and a role', () => {
  const settings = {
    synchronous_commit: 'off',
    default_transaction_isolation: 'serializable',
    statement_timeout: '5s',
    lock_timeout: '5s',
    idle_session_timeout: '5s',
    idle_in_transaction_session_timeout: '5s',
    transaction_timeout: '5s',
    client_min_messages: 'error',
  };

  it.each(['DATABASE', 'ROLE'])('P4: do not make a session less durable: %s', async (kind) => {
    const role = await newRole();
    const url = await newDatabase();
    const name = kind === 'ROLE' ? role : databaseName(url);
    // All at once, because they hold for the next session, which would soon be ended.
    const changes = Object.entries(settings).map(([key, value]) => `ALTER ${kind} ${name} SET ${key} = '${value}'`);
    await query(url, changes.join(';'));
    const session = await Session.open(asRole(url, role), new AbortController().signal);
    onTestFinished(() => session.end());
    expect(session.state).toMatchObject({ synchronousCommit: 'on', isolation: 'read committed' });
    const rows = await session.query(
      `SELECT name, setting FROM pg_settings WHERE name = ANY ($1) AND name !~ 'synchronous_commit|isolation' ORDER BY name`,
      [Object.keys(settings)],
    );
    expect(rows).toEqual([
      { name: 'client_min_messages', setting: 'warning' },
      { name: 'idle_in_transaction_session_timeout', setting: '0' },
      { name: 'idle_session_timeout', setting: '0' },
      { name: 'lock_timeout', setting: '0' },
      { name: 'statement_timeout', setting: '0' },
      { name: 'transaction_timeout', setting: '0' },
    ]);
  });

  it.each(['DATABASE', 'ROLE'])('do not end the writing session by an idle_session_timeout: %s', async (kind) => {
    const role = await newRole();
    const url = await newDatabase();
    await query(url, `ALTER DATABASE ${databaseName(url)} OWNER TO ${role}`);
    const name = kind === 'ROLE' ? role : databaseName(url);
    await query(url, `ALTER ${kind} ${name} SET idle_session_timeout = '50ms'`);
    const opened = await OpenedLedger.open(asRole(url, role));
    await opened.allocate();
    // A session that is idle from now on, and only from now on, is ended.
    const idle = new Client({ connectionString: asRole(url, role) });
    const ended = new Promise((resolve) => void idle.on('error', resolve));
    await idle.connect();
    expect(await ended).toMatchObject({ code: '57P05' });
    expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 2n } });
    expect(opened.said.filter((sentence) => /lost the connection/.test(sentence))).toEqual([]);
  });

  it('P5: do not end a waiting batch by a statement_timeout', async () => {
    const url = await newDatabase();
    await query(url, `ALTER DATABASE ${databaseName(url)} SET statement_timeout = '50ms'`);
    const opened = await OpenedLedger.open(url);
    // The test's own sessions may take longer on a busy machine.
    const counter = await holdCounter(`${url}?options=-c%20statement_timeout%3D0`);
    const outcome = opened.allocate();
    // Ten times as long.
    await counter.isWaitedFor(500);
    await counter.release();
    expect(await outcome).toMatchObject({ allocation: FIRST, replayed: false });
    expect(opened.said.filter((sentence) => /lost the connection/.test(sentence))).toEqual([]);
  });
});

describe('a server state', () => {
  const good: ServerState = {
    backend: 1,
    version: 180_004,
    isRecovering: false,
    isReadOnly: false,
    synchronousCommit: 'on',
    standbyNames: '',
    fsync: 'on',
    fullPageWrites: 'on',
    isolation: 'read committed',
    timeline: 1,
  };

  it.each([
    ['synchronous_commit off by force', { synchronousCommit: 'off' }, /synchronous_commit is off by force/],
    ['synchronous_commit local by force', { synchronousCommit: 'local' }, /synchronous_commit is local by force/],
    ['remote_write by force', { synchronousCommit: 'remote_write' }, /synchronous_commit is remote_write by force/],
    ['no fsync', { fsync: 'off' }, /fsync is off/],
    ['another isolation level by force', { isolation: 'serializable' }, /isolation level is serializable/],
    ['an old version', { version: 130_010 }, /use PostgreSQL 14 or newer/],
    ['a recovering server', { isRecovering: true }, /is recovering/],
    ['a read-only server', { isReadOnly: true }, /is read-only/],
  ])('P4: with %s is refused by name', (_, state: Partial<ServerState>, refusal) => {
    expect(() => requireDurable({ ...good, ...state }, 'PostgreSQL on db:5432')).toThrow(refusal);
  });

  it.each(['on', 'remote_apply'])('with synchronous_commit %s is accepted', (synchronousCommit) => {
    expect(() => requireDurable({ ...good, synchronousCommit }, 'PostgreSQL on db:5432')).not.toThrow();
  });
});

/** Makes each statement that inserts into the ledger fail like this: from one on, or only the first. */
async function raiseOnInsert(url: string, sqlState: string, { once = false, from = 1 } = {}): Promise<void> {
  const when = once ? '= 1' : `>= ${from}`;
  await query(
    url,
    `CREATE SEQUENCE order_numbers.inserts;
     CREATE FUNCTION order_numbers.fail() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       -- A sequence is not rolled back with what failed.
       IF nextval('order_numbers.inserts') ${when} THEN
         RAISE EXCEPTION 'raised by a trigger' USING ERRCODE = '${sqlState}';
       END IF;
       RETURN NULL;
     END $$;
     CREATE TRIGGER fails BEFORE INSERT ON order_numbers.allocations EXECUTE FUNCTION order_numbers.fail()`,
  );
}
