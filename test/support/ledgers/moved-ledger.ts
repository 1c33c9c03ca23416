import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import type { CommandResult } from '../processes/order-numbers-command.ts';
import { localOrderNumbers } from '../processes/local-command.ts';
import { query } from '../postgres/database.ts';
import { LocalServer } from '../processes/local-server.ts';
import { testFolder } from '../processes/server-process.ts';
import { GrpcClient } from '../clients/grpc-client.ts';

/** Every value of a ledger as text, each list in its order. */
export interface LedgerText {
  readonly ledger: readonly string[];
  readonly allocations: readonly string[];
  /** The named callers: order_id and name. */
  readonly callers: readonly string[];
  readonly stores: readonly string[];
  readonly losses: readonly string[];
}

const LISTS = {
  ledger: 'SELECT ledger_id, first_order_id, last_order_id, last_create_time_ms FROM ledger',
  allocations: `SELECT order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix, min_digits
    FROM allocations ORDER BY order_id`,
  stores: `SELECT store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms
    FROM stores ORDER BY store_id`,
  losses: 'SELECT store_id, first, last, declare_time_ms FROM declared_losses ORDER BY 1 NULLS FIRST, 2, 3, 4',
};

/** Reads a file past its server. */
export function textOfFile(path: string): LedgerText {
  const db = new Database(path, { readonly: true });
  const read = (sql: string) => db.prepare(sql).safeIntegers().raw().all().map(String);
  const { ledger, allocations, stores, losses } = LISTS;
  const text = {
    ledger: read(ledger),
    allocations: read(allocations),
    callers: read("SELECT order_id, caller FROM allocations WHERE caller <> '' ORDER BY order_id"),
    stores: read(stores),
    losses: read(losses),
  };
  db.close();
  return text;
}

/** Reads a database past its servers. */
export async function textOfDatabase(url: string): Promise<LedgerText> {
  const read = async (sql: string) => {
    const rows = await query(url, sql.replaceAll(/FROM (\w+)/g, 'FROM order_numbers.$1'));
    return rows.map((row) => String(Object.values(row)));
  };
  const { ledger, allocations, stores, losses } = LISTS;
  return {
    ledger: await read(ledger),
    allocations: await read(allocations),
    callers: await read('SELECT order_id, caller FROM callers ORDER BY order_id'),
    stores: await read(stores),
    losses: await read(losses),
  };
}

/** `order-numbers migrate` to its end. */
export function move(from: string, to: string, ...flags: string[]): Promise<CommandResult> {
  return localOrderNumbers(['migrate', '--from', from, '--to', to, ...flags]);
}

/** Works with a server on this ledger, which is stopped then. */
export async function whileServed<Result>(
  ledger: string,
  work: (client: GrpcClient) => Promise<Result>,
): Promise<Result> {
  const server = new LocalServer(ledger);
  const result = await work(new GrpcClient(await server.serving()));
  expect(await server.stop()).toBe(0);
  return result;
}

/**
 * A file that has all that a ledger can have, by the commands themselves: it began at 2^53-3 with counters of an old
 * shop, runs of numbers, styles that changed, declared losses, a store of id 2^63-1 and one at its last number; and
 * callers of some of it, which the commands would need tokens for.
 */
export async function richLedger(): Promise<string> {
  const folder = testFolder();
  const ledger = join(folder, 'orders.db');
  const backup = join(folder, 'backup.db');
  await whileServed(ledger, (client) => client.createStore({ storeId: 1n, firstNumber: 5n }));
  const db = new Database(ledger);
  db.exec('UPDATE ledger SET first_order_id = 9007199254740989, last_order_id = 9007199254740988');
  db.close();
  await whileServed(ledger, async (client) => {
    await client.createStore({ storeId: 2n ** 53n + 1n, prefix: '"W\\-', suffix: "{,}'", minDigits: 19 });
    await client.allocate(2n ** 53n + 1n, 3, '"quoted\\,{request}');
    await client.updateStore({ storeId: 2n ** 53n + 1n, prefix: '' }, 'prefix');
    for (let i = 0; i < 5; i++) await client.allocate(BigInt(1 + i), 1 + 100 * i, `run-${i}`);
  });
  await succeed('backup', '--ledger', ledger, backup);
  await whileServed(ledger, (client) => client.allocate(3n, 7, 'lost'));
  await succeed('restore', '--from', backup, '--ledger', ledger, '--accept-loss', '--yes');
  await whileServed(ledger, async (client) => {
    await client.createStore({ storeId: 7n, firstNumber: 2n ** 63n - 1n });
    await client.allocate(7n, 1, 'the-last-one');
    await client.allocate(2n ** 63n - 1n, 1000, 'all-of-them');
    await client.allocate(2n ** 53n + 1n, 1, 'plain');
    await client.createStore({ storeId: 8n, prefix: 'never used' });
  });
  const named = new Database(ledger);
  named.exec(`UPDATE allocations SET caller = '"checkout\\,{eu}''' || count WHERE count > 1`);
  named.close();
  return ledger;
}

async function succeed(...args: string[]): Promise<void> {
  expect(await localOrderNumbers(args)).toMatchObject({ exitCode: 0 });
}
