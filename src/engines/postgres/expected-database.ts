import type { ExpectedLedger } from '../../core/expected-ledger.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../core/expected-ledger.ts';
import { within } from './connection/failures.ts';
import type { Session } from './connection/session.ts';
import { migrate, requireKnownVersion } from './schema/schema.ts';

/** How long a server may take to say which ledger it has. */
const LOOK_MS = 3000;
/** How long creating the schema may take, including the wait for other servers that create it. */
const MIGRATE_MS = 60_000;

/** A database, and the ledger that it must have. */
export interface ExpectedDatabase {
  /** A URL for each host, in the order to try them. */
  readonly hosts: readonly string[];
  /** For messages, without secrets. */
  readonly name: string;
  readonly expected: ExpectedLedger;
}

/** The ledger that is found at the first use of a database. */
export interface PreparedLedger {
  readonly isNew: boolean;
  readonly bytes: number;
}

/** Creates or upgrades the schema of the expected ledger, before the first use. */
export async function prepareLedger(session: Session, place: ExpectedDatabase): Promise<PreparedLedger> {
  const { server } = session;
  await within(LOOK_MS, requireExpected(session, place), `${server} did not answer in time which ledger it has`);
  const { before } = await within(MIGRATE_MS, migrate(session), `${server} did not create the schema in time`);
  const bytes = await within(LOOK_MS, sizeOf(session), `${server} did not answer in time how large the ledger is`);
  return { isNew: before === 0, bytes };
}

/** The allocations and their callers, with the indexes: the rest is small. */
async function sizeOf(session: Session): Promise<number> {
  const [row] = await session.query<{ bytes: bigint }>(
    `SELECT pg_total_relation_size('order_numbers.allocations') + pg_total_relation_size('order_numbers.callers') AS bytes`,
  );
  return Number(row?.bytes);
}

/** Throws LedgerRefused if the database does not have the expected ledger. Only reads. */
async function requireExpected(session: Session, { name, expected }: ExpectedDatabase): Promise<void> {
  if (mayCreate(expected)) return;
  if ((await requireKnownVersion(session)) === 0) throw notCreated(name, expected);
  const [row] = await session.query<{ ledger_id: string }>('SELECT ledger_id FROM order_numbers.ledger_end()');
  if (row) requireExpectedId(name, row.ledger_id, expected);
}
