import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { importCounters } from '../../../../src/engines/sqlite/operator/import-counters.ts';
import { backupLedger } from '../../../../src/engines/sqlite/operator/backup.ts';
import { MoveSource } from '../../../../src/engines/sqlite/operator/move/move-source.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import { verifyLedgerFile } from '../../../../src/engines/sqlite/operator/verify-file.ts';
import { openReadConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { HighWaterMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { filesOf } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { Queries } from '../../../../src/engines/sqlite/statements/queries.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { fillLedger, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { all } from '../../../support/ledgers/verified-ledger.ts';
import type { Version1Row } from '../../../support/ledgers/version-1-ledger.ts';
import { killedVersion1, rowsOf, version1Ledger } from '../../../support/ledgers/version-1-ledger.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';

/** Serves the ledger until `work` is done; returns the warnings of its log, but for those of a busy machine. */
async function serve({ database }: LedgerFiles, work: (client: GrpcClient) => Promise<void>): Promise<string[]> {
  const server = new LocalServer(database);
  await work(new GrpcClient(await server.serving()));
  expect(await server.stop()).toBe(0);
  return server.log.filter(({ level }) => level >= 40).map(({ msg }) => msg);
}

/** Asserts that a server continues this ledger, which ends at this order_id, and has what it had. */
async function expectContinued(files: LedgerFiles, lastOrderId: bigint): Promise<string[]> {
  const { rows } = rowsOf(files);
  const warnings = await serve(files, async (client) => {
    const { allocations } = await client.listAllocations();
    expect(allocations.map(({ orderId, requestId, caller }) => [orderId, requestId, caller])).toEqual(
      rows.map((row) => [row.order_id, row.request_id, '']),
    );
    for (const allocation of allocations) {
      const { storeId, count, requestId } = allocation;
      expect(await client.allocate(storeId, count, requestId)).toEqual({ allocation, replayed: true });
    }
    expect((await client.allocate(1n, 2, 'after')).allocation).toMatchObject({ orderId: lastOrderId + 1n });
  });
  const after = rowsOf(files);
  expect(after.version).toBe(2);
  expect(after.rows.slice(0, -1)).toEqual(inVersion2(rows));
  expect(integrityOf(files)).toBe('ok');
  return warnings;
}

/** The rows as the upgraded table has them. */
function inVersion2(rows: readonly Version1Row[]): Version1Row[] {
  return rows.map((row) => Object.assign({}, row, { caller: '' }));
}

function integrityOf({ database }: LedgerFiles): unknown {
  const db = new Database(database, { readonly: true });
  try {
    return db.pragma('integrity_check', { simple: true });
  } finally {
    db.close();
  }
}

it('a server upgrades the ledger of an older release, says so once, and continues it', async () => {
  const files = version1Ledger();
  expect(await expectContinued(files, 9n)).toEqual([
    `${files.database} was upgraded from schema version 1 to 2; older releases refuse it from now on`,
  ]);
  expect(await serve(files, async () => {})).toEqual([]);
});

it('P4: a server upgrades a ledger whose owner was killed with numbers in the -wal file', async () => {
  const files = killedVersion1({ storeId: 1n, requestId: 'in-the-wal' });
  expect(await expectContinued(files, 10n)).toHaveLength(1);
});

it('an upgraded ledger has the tables of a new one', async () => {
  const [upgraded, created] = [version1Ledger(), filesOf(join(testFolder(), 'orders.db'))];
  for (const files of [upgraded, created]) await serve(files, async () => {});
  expect(tablesOf(upgraded)).toEqual(tablesOf(created));
});

function tablesOf({ database }: LedgerFiles): unknown[] {
  const db = new Database(database, { readonly: true });
  try {
    return db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();
  } finally {
    db.close();
  }
}

it('a damaged row does not keep a ledger from being upgraded', async () => {
  const files = version1Ledger();
  tamper(files.database, 'PRAGMA ignore_check_constraints = ON; UPDATE allocations SET count = 0 WHERE order_id = 8');
  await serve(files, async (client) => {
    expect((await client.allocate(1n, 1, 'after')).allocation).toMatchObject({ orderId: 10n });
  });
});

it('a table that another program has written is refused, and not upgraded by half', async () => {
  const files = version1Ledger();
  const db = new Database(files.database);
  db.unsafeMode(true);
  db.exec(`PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')STRICT') WHERE name = 'allocations'`);
  db.close();
  const before = bytesOf(files);
  expect(await refusedStart(files.database)).toContain('its table allocations was not created by this program');
  expect(bytesOf(files)).toEqual(before);
});

it('P9: an older copy of version 1 is refused before it is upgraded', async () => {
  const files = version1Ledger();
  const db = new Database(files.database, { readonly: true });
  const ledgerId = db.prepare<[], string>('SELECT ledger_id FROM ledger').pluck().get()!;
  db.close();
  new HighWaterMark(files.mark, { ledgerId, lastOrderId: 10n }).close();
  const before = bytesOf(files);
  expect(await refusedStart(files.database)).toContain('ends at order_id 9, but 10 was already given');
  expect(bytesOf(files)).toEqual(before);
});

it('P9: a copy of version 1 put over the upgraded ledger is refused', async () => {
  const files = version1Ledger();
  const copy = version1Ledger();
  await serve(files, async (client) => void (await client.allocate(1n, 1, 'after')));
  copyFileSync(copy.database, files.database);
  expect(await refusedStart(files.database)).toContain('ends at order_id 9, but 10 was already given');
});

/** The files that must not change. */
function bytesOf({ database, mark }: LedgerFiles): Buffer[] {
  return [database, mark].map((path) => readFileSync(path));
}

it('verify and backup read an older ledger and leave it unchanged, and its backup restores into an upgraded one', async () => {
  const files = version1Ledger();
  const before = bytesOf(files);
  const verdict = (await all(verifyLedgerFile(files.database, undefined))).at(-1);
  expect(verdict).toMatchObject({ kind: 'verdict', ok: true, rows: 5n });
  const backup = filesOf(join(testFolder(), 'backup.db'));
  await backupLedger(files.database, backup.database, { force: false });
  expect(bytesOf(files)).toEqual(before);
  expect(rowsOf(backup)).toEqual(rowsOf(files));

  await restoreLedger({ from: backup.database, ledger: files.database });
  const { rows } = rowsOf(backup);
  expect(rowsOf(files)).toEqual({ version: 2, rows: inVersion2(rows) });
  expect(await expectContinued(files, 9n)).toEqual([]);
});

it('migrate reads an older ledger, and leaves it for the older release', async () => {
  const files = version1Ledger();
  const source = MoveSource.open(files.database);
  const read = await source.allocationsAfter(0n, 10).finally(() => source.close());
  expect(read.map(({ orderId, requestId, caller }) => [orderId, requestId, caller])).toEqual(
    rowsOf(files).rows.map((row) => [row.order_id, row.request_id, '']),
  );
  expect(rowsOf(files).version).toBe(1);
});

it('an import into an older ledger is refused without upgrading it, unless it is empty', () => {
  const files = version1Ledger();
  const before = bytesOf(files);
  const counters = { nextOrderId: 500n, stores: Object.assign([], { size: 0 }) };
  const run = () => importCounters(files.database, counters, () => {});
  expect(run).toThrow(LedgerRefused);
  expect(bytesOf(files)).toEqual(before);
  tamper(files.database, 'DELETE FROM allocations; DELETE FROM stores; UPDATE ledger SET last_order_id = 0');
  rmSync(files.mark);
  expect(run()).toMatchObject({ nextOrderId: 500n });
  expect(rowsOf(files).version).toBe(2);
});

it('reads that began on version 1 go on while the file is upgraded', async () => {
  const files = version1Ledger();
  const db = openReadConnection(files.database);
  onTestFinished(() => void db.close());
  const queries = new Queries(db);
  const before = queries.listAllocations({ afterOrderId: 0n, upToOrderId: 9n, storeId: undefined, limit: 10 });
  expect(before).toHaveLength(5);
  fillLedger(files.database, { storeId: 1n, requestId: 'after' });
  expect(rowsOf(files).version).toBe(2);
  const after = queries.listAllocations({ afterOrderId: 0n, upToOrderId: 10n, storeId: undefined, limit: 10 });
  expect(after.slice(0, 5)).toEqual(before);
  expect(after[5]).toMatchObject({ orderId: 10n, caller: '' });
});

/** The statements before which a server is killed: the upgrade is half done, committed, and in the database. */
const KILLED_BEFORE = ['user_version = 2', 'wal_checkpoint(PASSIVE)', 'wal_checkpoint(TRUNCATE) again'] as const;

it.each(KILLED_BEFORE)(
  'P4: a server killed while it upgrades a ledger, before %s, upgrades it at its next start',
  async (statement) => {
    const files = killedVersion1({ storeId: 1n, requestId: 'in-the-wal' });
    const preload = `--import data:text/javascript,${encodeURIComponent(killBefore(statement))}`;
    const server = new ServerProcess(files.database, { env: { NODE_OPTIONS: preload } });
    expect(await server.exit()).toBe('SIGKILL');
    expect(rowsOf(files).version).toBe(statement === 'user_version = 2' ? 1 : 2);
    expect(await expectContinued(files, 10n)).toHaveLength(statement === 'user_version = 2' ? 1 : 0);
  },
);

/** A module that kills its process before SQLite runs this pragma; again is its second time. */
function killBefore(statement: string): string {
  const [pragma, again] = statement.split(' again');
  return `
    import { createRequire } from 'node:module';
    const { prototype } = createRequire(${JSON.stringify(import.meta.url)})('better-sqlite3');
    const run = prototype.pragma;
    let times = ${again === undefined ? 1 : 2};
    prototype.pragma = function (text, ...rest) {
      if (text === '${pragma}' && --times === 0) process.kill(process.pid, 'SIGKILL');
      return run.call(this, text, ...rest);
    };`;
}
