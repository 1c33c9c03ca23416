import { beforeAll, describe, expect, it } from 'vitest';
import { schemaSql } from '../../../src/engines/postgres/schema/schema.ts';
import { schemaOfVersion } from '../../support/postgres/older-schema.ts';
import { PostgresCluster } from '../../support/postgres/cluster/cluster.ts';
import { databaseName, newDatabase, query } from '../../support/postgres/database.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import { asRole, newRole, OpenedLedger } from './opened-ledger.ts';

describe('a server refuses to start, with exit code 1 and one line', () => {
  /** A server that must not be used, its standby, and a role with a password. */
  let cluster: PostgresCluster;
  let standby: PostgresCluster;

  beforeAll(async () => {
    cluster = await PostgresCluster.start({ settings: { fsync: 'off' } });
    standby = await cluster.makeStandby('standby');
    await cluster.query(`CREATE ROLE locked LOGIN PASSWORD 'right'`);
    const [row] = await cluster.query('SHOW hba_file');
    const lines = `VALUES ('host all locked 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')`;
    await cluster.query(`COPY (${lines}) TO '${String(row!['hba_file'])}'`);
    await cluster.query('SELECT pg_reload_conf()');
    return () => cluster.close();
  });

  it('P4: on a server with fsync off', async () => {
    expect(await refusedStart(cluster.url())).toMatch(
      /^PostgreSQL on [\d.:]+ could lose or repeat numbers: fsync is off;/,
    );
  });

  it('P4: if the only host is a standby', async () => {
    expect(await refusedStart(standby.url())).toMatch(/^PostgreSQL on [\d.:]+ is recovering.*promote this one$/);
  });

  it('with a wrong password, which it does not print', async () => {
    const url = cluster.url('postgres', 'locked:s3cret');
    const said = await refusedStart(url);
    expect(said).toMatch(
      /^PostgreSQL on [\d.:]+ does not let locked in \(password authentication failed.*check the user, the password and pg_hba\.conf$/,
    );
    expect(said).not.toContain('s3cret');
  });

  it('without the required password', async () => {
    expect(await refusedStart(cluster.url('postgres', 'locked'))).toMatch(
      /does not let locked in .*check the user, the password and pg_hba\.conf$/,
    );
  });

  it('on a database that does not exist', async () => {
    const url = new URL(await newDatabase());
    url.pathname = '/nowhere';
    expect(await refusedStart(url.href)).toMatch(/database "nowhere" does not exist; create it with createdb/);
  });

  it('on a read-only database', async () => {
    const url = await newDatabase();
    await query(url, `ALTER DATABASE ${databaseName(url)} SET default_transaction_read_only = on`);
    expect(await refusedStart(url)).toMatch(/is read-only \(default_transaction_read_only\); switch that off/);
  });

  it('for a role that may create nothing, and for one that may use nothing', async () => {
    const role = await newRole();
    const url = await newDatabase();
    expect(await refusedStart(asRole(url, role))).toMatch(/may not use or create the schema order_numbers/);
    await query(url, schemaSql());
    expect(await refusedStart(asRole(url, role))).toMatch(/may not use or create the schema order_numbers/);
  });

  it('for a role that may call only some of the functions', async () => {
    const role = await newRole();
    const url = await newDatabase();
    await query(url, schemaSql());
    await query(url, `GRANT USAGE ON SCHEMA order_numbers TO ${role}`);
    await query(url, `GRANT EXECUTE ON FUNCTION order_numbers.schema_version() TO ${role}`);
    expect(await refusedStart(asRole(url, role))).toMatch(/does not let this role allocate .*run the GRANTs/);
  });

  it('on the schema of a newer version, and on a foreign schema', async () => {
    const newer = await newDatabase();
    await query(newer, schemaSql());
    await query(newer, 'INSERT INTO order_numbers.migrations (version) VALUES (1000)');
    expect(await refusedStart(newer)).toMatch(
      /has version 1000, but this program knows only \d+; use the newer version/,
    );
    const foreign = await newDatabase();
    await query(foreign, 'CREATE SCHEMA order_numbers CREATE TABLE something (id integer)');
    expect(await refusedStart(foreign)).toMatch(
      /has a schema order_numbers that is not an order ledger, or not this role's; use another/,
    );
  });
});

it('an empty schema created for the role by an administrator is taken over, with its rights', async () => {
  const [owner, server] = [await newRole(), await newRole()];
  const url = await newDatabase();
  await query(url, `CREATE SCHEMA order_numbers AUTHORIZATION ${owner}`);
  await query(url, `GRANT USAGE ON SCHEMA order_numbers TO ${server}`);
  await query(
    url,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA order_numbers GRANT SELECT ON TABLES TO ${server}`,
  );
  const opened = await OpenedLedger.open(asRole(url, owner));
  expect(await opened.allocate()).toMatchObject({ allocation: { orderId: 1n } });
  expect(await query(asRole(url, server), 'SELECT last_order_id FROM order_numbers.ledger')).toEqual([
    { last_order_id: 1n },
  ]);
  const printed = await newDatabase();
  await query(printed, 'CREATE SCHEMA order_numbers');
  await query(printed, schemaSql());
  expect(await (await OpenedLedger.open(printed)).allocate()).toMatchObject({ allocation: { orderId: 1n } });
});

it('the printed schema fills an empty schema of a role that may create none, and only an empty one', async () => {
  const owner = await newRole();
  const url = await newDatabase();
  await query(url, `CREATE SCHEMA order_numbers AUTHORIZATION ${owner}`);
  await query(url, 'CREATE TABLE order_numbers.customers (name text)');
  await expect(query(url, schemaSql())).rejects.toThrow('the schema order_numbers contains something else');
  await query(url, 'DROP TABLE order_numbers.customers');
  for (let i = 0; i < 2; i++) await query(asRole(url, owner), schemaSql());
  expect(await (await OpenedLedger.open(asRole(url, owner))).allocate()).toMatchObject({ allocation: { orderId: 1n } });
});

it('a server that lacks a function is refused, naming it, and so is one without channel binding', async () => {
  const url = await newDatabase();
  const unbound = new OpenedLedger(`${url}?channel_binding=require`);
  await expect(unbound.ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(unbound.said).toEqual([expect.stringMatching(/offered no channel binding/)]);
  await query(url, 'ALTER FUNCTION pg_catalog.pg_walfile_name(pg_lsn) RENAME TO gone');
  const lacking = new OpenedLedger(url);
  await expect(lacking.ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(lacking.said).toEqual([
    expect.stringMatching(
      /lacks a function that the ledger needs \(function pg_walfile_name\(pg_lsn\) does not exist\); use Postgre/,
    ),
  ]);
});

it('an empty schema of another role is not taken over', async () => {
  const url = await newDatabase();
  await query(url, 'CREATE SCHEMA order_numbers');
  const opened = new OpenedLedger(asRole(url, await newRole()));
  await expect(opened.ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(opened.said).toEqual([expect.stringMatching(/may not use or create the schema order_numbers/)]);
});

it('P1: several servers started at once on an empty database create one schema and one sequence', async () => {
  const url = await newDatabase();
  const ledgers = await Promise.all(Array.from({ length: 6 }, () => OpenedLedger.open(url)));
  await Promise.all(
    ledgers.flatMap((ledger, i) => [ledger.allocate(`a-${i}`), ledger.allocate(`b-${i}`, BigInt(i + 1))]),
  );
  expect(await assertDense(url)).toHaveLength(12);
  expect(await query(url, 'SELECT count(*) = max(version) AS once FROM order_numbers.migrations')).toEqual([
    { once: true },
  ]);
});

it('a role with only the documented rights serves everything, and can access no table', async () => {
  const role = await newRole();
  const url = await newDatabase();
  await query(url, schemaSql());
  const grants = [...schemaSql().matchAll(/^-- (GRANT .*;)$/gm)].map(([, grant]) => grant!);
  expect(grants.length).toBeGreaterThan(1);
  await query(url, grants.join('\n').replaceAll('order_server', role));

  const { ledger, ...opened } = await OpenedLedger.open(asRole(url, role));
  await ledger.createStore({ storeId: 7n, firstNumber: 500n, prefix: 'A', suffix: '', minDigits: 0 });
  await ledger.updateStore(7n, { prefix: 'B' });
  const [outcome] = await ledger.commit([{ storeId: 7n, requestId: 'r', count: 3, caller: '' }]);
  expect(outcome).toMatchObject({ allocation: { orderId: 1n, orderNumber: 500n, prefix: 'B' } });
  const { reads } = ledger;
  expect(await reads.end()).toMatchObject({ lastOrderId: 3n, lastStoreId: 7n });
  expect(await reads.getStore(7n)).toMatchObject({ prefix: 'B' });
  expect(await reads.listStores({ afterStoreId: 0n, upToStoreId: 7n, limit: 10 })).toHaveLength(1);
  for (const key of [{ orderId: 2n }, { storeId: 7n, orderNumber: 501n }, { storeId: 7n, requestId: 'r' }]) {
    expect(await reads.getAllocation(key)).toMatchObject({ orderId: 1n });
  }
  for (const storeId of [undefined, 7n]) {
    const range = { afterOrderId: 0n, upToOrderId: 3n, storeId, limit: 10 };
    expect(await reads.listAllocations(range)).toHaveLength(1);
    let verdict: unknown;
    for await (const event of reads.verify(storeId)) verdict = event;
    expect(verdict).toMatchObject({ kind: 'verdict', ok: true });
  }
  expect(opened.said.filter((sentence) => !/synchronous standby/.test(sentence))).toEqual([]);

  for (const table of ['ledger', 'stores', 'allocations', 'callers', 'declared_losses', 'migrations']) {
    await expect(query(asRole(url, role), `SELECT FROM order_numbers.${table}`)).rejects.toThrow('permission denied');
    await expect(query(asRole(url, role), `DELETE FROM order_numbers.${table}`)).rejects.toThrow('permission denied');
  }
  await expect(query(asRole(url, role), 'DROP SCHEMA order_numbers CASCADE')).rejects.toThrow('must be owner');
});

it('an older schema is upgraded by the text of --print, or at startup, and its grants cover what is new', async () => {
  const range = { afterOrderId: 0n, upToOrderId: 9n, newestFirst: true, storeId: undefined, limit: 10 };
  const upgrades = [async () => {}, (url: string) => OpenedLedger.open(url)];
  for (const [version, upgrade] of [1, 2, 3].flatMap((from) => upgrades.map((how) => [from, how] as const))) {
    const [role, reader] = [await newRole(), await newRole()];
    const url = await newDatabase();
    await query(url, schemaOfVersion(version));
    await query(url, `GRANT USAGE ON SCHEMA order_numbers TO ${role}`);
    await query(url, `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA order_numbers TO ${role}`);
    await query(url, `GRANT USAGE ON SCHEMA order_numbers TO ${reader}`);
    await query(url, `GRANT EXECUTE ON FUNCTION order_numbers.ledger_end() TO ${reader}`);
    await upgrade(url);
    await query(url, schemaSql());
    await expect(query(asRole(url, reader), 'SELECT order_numbers.confirm()')).rejects.toThrow('permission denied');
    // What it could not do before, it cannot do by a new function either.
    for (const allocate of [`allocate_for('{7}', '{r}', '{1}', '{}', true)`, `allocate_one(7, 'r', 1, '', true)`]) {
      const call = `SELECT order_numbers.${allocate}`;
      await expect(query(asRole(url, reader), call)).rejects.toThrow('permission denied');
    }
    const { ledger } = await OpenedLedger.open(asRole(url, role));
    for (const requestIds of [['r'], ['s', 't']]) {
      await ledger.commit(requestIds.map((requestId) => ({ storeId: 7n, requestId, count: 3, caller: '' })));
    }
    expect(await ledger.reads.listAllocations(range)).toHaveLength(3);
    await ledger.updateStore(7n, { prefix: 'A' });
    await expect(query(asRole(url, role), 'SELECT FROM order_numbers.ledger')).rejects.toThrow('permission denied');
  }
});

it('an upgrade takes no right from a running server that PUBLIC was granted, and gives PUBLIC no new one', async () => {
  const [role, url] = [await newRole(), await newDatabase()];
  await query(url, schemaOfVersion(2));
  await query(url, 'GRANT USAGE ON SCHEMA order_numbers TO PUBLIC');
  await query(url, 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA order_numbers TO PUBLIC');
  await query(url, schemaSql());
  await query(asRole(url, role), `SELECT order_numbers.allocate('{7}', '{r}', '{1}', true)`);
  const allocate = `SELECT order_numbers.allocate_for('{7}', '{s}', '{1}', '{}', true)`;
  await expect(query(asRole(url, role), allocate)).rejects.toThrow('permission denied');
});

it('P4: warns if no standby confirms commits', async () => {
  const opened = await OpenedLedger.open(await newDatabase());
  expect(opened.said).toEqual([expect.stringMatching(/synchronous_standby_names is empty/)]);
});
