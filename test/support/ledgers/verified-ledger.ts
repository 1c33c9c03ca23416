import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Client } from 'pg';
import type { Query } from '../../../src/engines/postgres/statements/rows.ts';
import { schemaSql } from '../../../src/engines/postgres/schema/schema.ts';
import { verifyLedger } from '../../../src/core/verify/verify-ledger.ts';
import { PostgresVerifySource } from '../../../src/engines/postgres/verify/verify-source.ts';
import { verifyLedgerFile } from '../../../src/engines/sqlite/operator/verify-file.ts';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import { GrpcClient } from '../clients/grpc-client.ts';
import { newDatabase, query } from '../postgres/database.ts';
import { withClient } from '../postgres/query.ts';
import { LocalServer } from '../processes/local-server.ts';
import { testFolder } from '../processes/server-process.ts';

/** A ledger that is damaged past the server and then verified. */
export interface VerifiedLedger {
  /** Runs SQL with rights that a server does not have. */
  damage(sql: string): Promise<void>;
  verify(storeId?: bigint): Promise<VerifyEvent[]>;
}

/** Allocations in their order: the first has the request_id r0, the next r1, … */
export type Runs = readonly (readonly [storeId: bigint, count: number])[];

export interface VerifiedEngine {
  readonly name: string;
  /** Stores begin at `firstNumber` where it is given. */
  newLedger(runs: Runs, firstNumber?: bigint): Promise<VerifiedLedger>;
}

/** A ledger of order_ids 1..12; store 7 has 100..105 (1, 3, 4-5, 7, 9) and store 8 has 100..105 (2, 6, 8, 10-12). */
export const RUNS: Runs = [
  [7n, 1],
  [8n, 1],
  [7n, 1],
  [7n, 2],
  [8n, 1],
  [7n, 1],
  [8n, 1],
  [7n, 1],
  [8n, 3],
];

export const SQLITE: VerifiedEngine = {
  name: 'SQLite',
  async newLedger(runs, firstNumber) {
    const path = await newLedgerFile(runs, firstNumber);
    return {
      damage: async (sql) => damageFile(path, sql),
      verify: async (storeId) => all(verifyLedgerFile(path, storeId)),
    };
  },
};

export const POSTGRES: VerifiedEngine = {
  name: 'PostgreSQL',
  async newLedger(runs, firstNumber) {
    const url = await newLedgerDatabase(runs, firstNumber);
    return {
      damage: (sql) => damageDatabase(url, sql),
      verify: (storeId) => verifyDatabase(url, storeId),
    };
  },
};

/** Files written by a server, by their contents: each test gets a copy. */
const made = new Map<string, (readonly [name: string, content: Buffer])[]>();

export async function newLedgerFile(runs: Runs, firstNumber?: bigint): Promise<string> {
  const key = `${String(runs)} ${firstNumber}`;
  const folder = testFolder();
  const path = join(folder, 'orders.db');
  const files = made.get(key);
  for (const [name, content] of files ?? []) writeFileSync(join(folder, name), content);
  if (!files) {
    await numberedByServer(path, runs, firstNumber);
    const names = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
    made.set(key, names);
  }
  return path;
}

async function numberedByServer(path: string, runs: Runs, firstNumber: bigint | undefined): Promise<void> {
  const server = new LocalServer(path);
  const client = new GrpcClient(await server.serving());
  if (firstNumber !== undefined) {
    for (const storeId of storesOf(runs)) await client.createStore({ storeId, firstNumber });
  }
  for (const [i, [storeId, count]] of runs.entries()) await client.allocate(storeId, count, `r${i}`);
  if ((await server.stop()) !== 0) throw new Error('the server did not stop well');
}

export function damageFile(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

export async function newLedgerDatabase(runs: Runs, firstNumber?: bigint): Promise<string> {
  const url = await newDatabase();
  await withClient(url, async (client) => {
    await client.query(schemaSql());
    if (firstNumber !== undefined) {
      for (const storeId of storesOf(runs)) {
        await client.query("SELECT order_numbers.create_store($1, $2, '', '', 0)", [storeId, firstNumber]);
      }
    }
    const batch = [runs.map(([storeId]) => storeId), runs.map((_, i) => `r${i}`), runs.map(([, count]) => count)];
    await client.query('SELECT order_numbers.allocate($1, $2, $3, true)', batch);
  });
  return url;
}

export async function damageDatabase(url: string, sql: string): Promise<void> {
  // An index that belongs to a constraint goes with that.
  const dialect = sql
    .replaceAll('DROP INDEX', 'ALTER TABLE allocations DROP CONSTRAINT')
    .replaceAll(
      'PRAGMA ignore_check_constraints = ON',
      'ALTER TABLE allocations DROP CONSTRAINT allocations_order_id_check',
    );
  await query(url, `SET search_path = order_numbers; ${dialect}`);
}

/** Up to the end that the ledger has now. */
export async function verifyDatabase(url: string, storeId?: bigint): Promise<VerifyEvent[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ last_order_id: bigint }>(
      'SELECT last_order_id FROM order_numbers.ledger_end()',
    );
    return verifyUpTo(queryOf(client), storeId, rows[0]!.last_order_id);
  });
}

export async function verifyUpTo(read: Query, storeId: bigint | undefined, end: bigint): Promise<VerifyEvent[]> {
  return all(verifyLedger(await PostgresVerifySource.open(read, end), storeId));
}

export function queryOf(client: Client): Query {
  return async <Row extends object>(text: string, values: readonly unknown[] = []) =>
    (await client.query<Row>(text, [...values])).rows;
}

/** All events, once the reading has come to its end. */
export async function all(reading: AsyncIterable<VerifyEvent>): Promise<VerifyEvent[]> {
  const events: VerifyEvent[] = [];
  for await (const event of reading) events.push(event);
  return events;
}

/** [kind, storeId, first, last] of each finding, in an order that does not depend on that of the reading. */
export function findingsOf(events: readonly VerifyEvent[]) {
  return inOrder(
    events.flatMap((event) =>
      event.kind === 'finding' ? [[event.findingKind, event.storeId, event.first, event.last] as const] : [],
    ),
  );
}

export function inOrder<Findings extends readonly unknown[]>(findings: readonly Findings[]): Findings[] {
  return findings.toSorted((a, b) => (String(a) < String(b) ? -1 : 1));
}

function storesOf(runs: Runs): Set<bigint> {
  return new Set(runs.map(([storeId]) => storeId));
}
