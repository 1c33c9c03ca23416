import { readFileSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeLedger } from '../../../../bench/ledgers/make-ledger.ts';
import { verifyLedgerFile } from '../../../../src/engines/sqlite/operator/verify-file.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { all, damageFile, findingsOf, newLedgerFile, RUNS } from '../../../support/ledgers/verified-ledger.ts';

it.each([
  ['allocations_by_order_number', 'store_id, order_number', ['mismatch', 7n, 1n, 5n]],
  ['allocations_by_request_id', 'request_id, store_id', ['mismatch', undefined, 1n, 12n]],
])('P2 P5: a row missing in %s is named', async (index, columns, finding) => {
  const path = await newLedgerFile(RUNS);
  falsify(path, index, `(${columns}) WHERE order_id <> 3`);
  expect(findingsOf(await verify(path))).toEqual([finding]);
});

it.each([
  ['allocations_by_order_number', 'store_id, order_number + 2 * (order_id = 3)', ['mismatch', 7n, 1n, 5n]],
  ['allocations_by_request_id', "iif(order_id = 3, 'lost', request_id), store_id", ['mismatch', undefined, 1n, 12n]],
])('P5: an entry of %s that differs from its row is noticed', async (index, columns, finding) => {
  const path = await newLedgerFile(RUNS);
  falsify(path, index, `(${columns})`);
  expect(findingsOf(await verify(path))).toEqual([finding]);
});

/** Puts the entries that another definition gives into an index. */
function falsify(path: string, index: string, definition: string): void {
  const db = new Database(path);
  // Otherwise it may not write a false schema.
  db.unsafeMode();
  db.exec(
    `CREATE TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = '${index}';
     DROP INDEX ${index};
     CREATE UNIQUE INDEX ${index} ON allocations ${definition};
     PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = '${index}';`,
  );
  db.close();
}

it('losses declared for very many stores do not make it slow', async () => {
  const path = join(testFolder(), 'orders.db');
  makeLedger(path, { rows: 60_000, stores: 30_000 });
  damageFile(
    path,
    `INSERT INTO declared_losses SELECT store_id, last_number + 1, last_number + 5, 0 FROM stores;
     UPDATE stores SET last_number = last_number + 5`,
  );
  const events = await verify(path);
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true, sequences: 30_001n });
  expect(events.filter(({ kind }) => kind === 'declaredLoss')).toHaveLength(30_000);
});

it('a ledger that grows meanwhile is verified up to the end it had, through the server and past it', async () => {
  const path = join(testFolder(), 'orders.db');
  const server = new LocalServer(path);
  const client = new GrpcClient(await server.serving());
  const done = new AbortController();
  const load = [1n, 2n, 3n].map(async (storeId, i) => {
    while (!done.signal.aborted) await client.allocate(storeId, i + 1);
  });
  for (let round = 0; round < 5; round++) {
    const [events, past] = await Promise.all([client.verify(), verify(path)]);
    const verdict = events.at(-1);
    expect(verdict?.$case === 'verdict' && verdict.value.ok).toBe(true);
    expect(events.filter((event) => event?.$case === 'finding')).toEqual([]);
    expect(past.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  }
  done.abort();
  await Promise.all(load);
});

it('P9: pages of stores that lead in a circle end the verification', async () => {
  const path = join(testFolder(), 'orders.db');
  makeLedger(path, { rows: 3_000, stores: 3_000 });
  const db = new Database(path);
  const root = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'stores'").pluck().get());
  const pageBytes = Number(db.pragma('page_size', { simple: true }));
  db.close();
  // The last child of the root is the root itself.
  const bytes = readFileSync(path);
  bytes.writeUInt32BE(root, (root - 1) * pageBytes + 8);
  writeFileSync(path, bytes);
  await expect(verify(path)).rejects.toThrow(/leads back|malformed/);
});

it.each([
  // The type of create_time_ms, the last one: 8 bytes where there are 6.
  ['stores', 'HERE-', 5, 6],
  // That of the caller: a letter where there is none.
  ['allocations', 'read-to-the-end', 13, 15],
])('P9: a row of %s that cannot be read to its end ends the verification', async (_, text, type, damaged) => {
  const path = join(testFolder(), 'orders.db');
  const server = new LocalServer(path);
  const client = new GrpcClient(await server.serving());
  await client.allocate(7n, 1, 'read-to-the-end');
  await client.updateStore({ storeId: 7n, prefix: 'HERE-' }, 'prefix');
  await server.stop();
  expect((await verify(path)).at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  const bytes = readFileSync(path);
  // The header of the row ends before two numbers of one byte.
  const place = bytes.indexOf(text) - 3;
  expect(bytes[place]).toBe(type);
  bytes[place] = damaged;
  writeFileSync(path, bytes);
  await expect(verify(path)).rejects.toThrow(/malformed/);
});

it('a file that does not exist is named, and not created', async () => {
  const path = join(testFolder(), 'none.db');
  expect(() => verifyLedgerFile(path, undefined)).toThrow(/none\.db does not exist/);
});

function verify(path: string) {
  return all(verifyLedgerFile(path, undefined));
}
