import type { Client } from 'pg';
import type { ExpectedLedger } from '../../core/expected-ledger.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../core/expected-ledger.ts';
import { within } from './connection/deadline.ts';
import { migrate, requireKnownVersion } from './schema/schema.ts';
import type { Session } from './connection/session.ts';

/** How long a server may take to say which ledger it has. */
const LOOK_MS = 3000;
/** How long the schema may take to be made, with the wait for others who make it. */
const MIGRATE_MS = 60_000;

/** Where a ledger is, and which one it has to be. */
export interface ExpectedDatabase {
  /** A URL for each host, in the order to try them. */
  readonly hosts: readonly string[];
  /** Without secrets. */
  readonly name: string;
  readonly expected: ExpectedLedger;
}

/** What is found at the first use of a database. */
export interface PreparedLedger {
  readonly isNew: boolean;
  readonly bytes: number;
}

/** Before the first use: creates or upgrades the schema of the expected ledger. */
export async function prepareLedger({ client, server }: Session, place: ExpectedDatabase): Promise<PreparedLedger> {
  await within(LOOK_MS, requireExpected(client, place), `${server} did not say which ledger it has`);
  const { before } = await within(MIGRATE_MS, migrate(client), `${server} did not make the schema in time`);
  const bytes = await within(LOOK_MS, sizeOf(client), `${server} did not say how large the ledger is`);
  return { isNew: before === 0, bytes };
}

/** The allocations with their indexes: the rest is small. */
async function sizeOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ bytes: bigint }>(
    `SELECT pg_total_relation_size('order_numbers.allocations') AS bytes`,
  );
  return Number(rows[0]?.bytes);
}

/** Throws LedgerRefused if the database does not have the expected ledger. Only reads. */
async function requireExpected(client: Client, { name, expected }: ExpectedDatabase): Promise<void> {
  if (mayCreate(expected)) return;
  if ((await requireKnownVersion(client)) === 0) throw notCreated(name, expected);
  const { rows } = await client.query<{ ledger_id: string }>('SELECT ledger_id FROM order_numbers.ledger_end()');
  if (rows[0]) requireExpectedId(name, rows[0].ledger_id, expected);
}
