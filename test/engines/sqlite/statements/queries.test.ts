import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { BatchTransaction } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import { openReadConnection, openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { Queries } from '../../../../src/engines/sqlite/statements/queries.ts';
import { migrate } from '../../../../src/engines/sqlite/file/schema.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

it.each([false, true])(
  'a list of a store shows nothing committed beyond its end meanwhile; newest first: %s',
  (newestFirst) => {
    const path = join(testFolder(), 'orders.db');
    const writer = openWriteConnection(path);
    onTestFinished(() => void writer.close());
    migrate(writer);
    const batches = new BatchTransaction(writer, true);
    let requests = 0;
    const allocate = () => batches.commit([{ storeId: 1n, count: 2, requestId: `request-${++requests}`, caller: '' }]);
    for (let i = 0; i < 3; i++) allocate();
    const reader = openReadConnection(path);
    onTestFinished(() => void reader.close());

    const queries = new Queries(committingBeforeRows(reader, allocate));
    const range = { afterOrderId: 0n, upToOrderId: 6n, storeId: 1n, newestFirst, limit: 100 };
    const listed = queries.listAllocations(range).map(({ orderId }) => orderId);
    expect(requests).toBe(4);
    expect(listed).toEqual(newestFirst ? [5n, 3n, 1n] : [1n, 3n, 5n]);
  },
);

/** A connection on which another one commits between the lookups of a list and its rows. */
function committingBeforeRows(db: Database.Database, commit: () => void): Database.Database {
  const prepare = (sql: string) => {
    const statement = db.prepare(sql);
    const all = (...values: unknown[]) => {
      commit();
      return statement.all(...values);
    };
    return { get: (...values: unknown[]) => statement.get(...values), all };
  };
  return { prepare } as unknown as Database.Database;
}
