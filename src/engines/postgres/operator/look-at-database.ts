import { LedgerRefused } from '../../../core/errors.ts';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import type { LedgerLook, LedgerSettings } from '../../engine.ts';
import { expectedLedger } from '../../engine.ts';
import { reasonOf, within } from '../connection/failures.ts';
import { parsePostgresUrl } from '../connection/postgres-url.ts';
import { requireDurable, warningsOf } from '../connection/server-state.ts';
import { Session } from '../connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, sqlState } from '../connection/sql-state.ts';
import { newestVersion, requireKnownVersion } from '../schema/schema.ts';

/** How long one host may take for all of it. */
const LOOK_MS = 10_000;

type Seen = Omit<LedgerLook, 'problems'>;

const GRANTS = 'run the GRANTs that order-numbers migrate --print ends with';
const NOTHING: Seen = { found: undefined, ledgerId: undefined, lastOrderId: undefined, warnings: [], notChecked: [] };

/**
 * Looks at the ledger in the PostgreSQL database that the settings name, in transactions that may only read. Never
 * rejects because of what it finds.
 */
export async function lookAtDatabase(settings: LedgerSettings): Promise<LedgerLook> {
  const { name } = parsePostgresUrl(settings.ledger);
  const look = await lookAt(settings.ledger, (session) => lookAtPrimary(session, name, expectedLedger(settings)));
  const [seen, problems] = 'failure' in look ? [NOTHING, [look.failure]] : [look, []];
  const ofStandby = await lookAtStandby(settings.ledgerRead, seen.ledgerId);
  return { ...seen, problems, warnings: [...seen.warnings, ...ofStandby] };
}

/** What `use` finds on the first host that it accepts, or why it accepted none. */
async function lookAt<Result extends object>(
  url: string,
  use: (session: Session) => Promise<Result>,
): Promise<Result | { readonly failure: string }> {
  const failures: string[] = [];
  for (const host of parsePostgresUrl(url).hosts) {
    const giveUp = new AbortController();
    try {
      return await within(
        LOOK_MS,
        lookAtHost(host, use, giveUp.signal),
        'it did not answer in time; check that it is running',
      );
    } catch (error) {
      failures.push(explain(error));
    } finally {
      giveUp.abort();
    }
  }
  return { failure: failures.join('; ') };
}

async function lookAtHost<Result>(
  host: string,
  use: (session: Session) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  const session = await Session.open(host, signal);
  const release = session.abandonOn(signal);
  try {
    // The server itself then refuses whatever would write. One transaction, because a pooler may give the backend to
    // other clients after it.
    await session.query('BEGIN READ ONLY');
    const result = await use(session);
    await session.query('ROLLBACK');
    return result;
  } finally {
    release();
    await session.end();
  }
}

async function lookAtPrimary(session: Session, name: string, expected: ExpectedLedger): Promise<Seen> {
  const { state, server } = session;
  requireDurable(state, server);
  const warnings = warningsOf(state, server);
  const version = await requireKnownVersion(session);
  if (version === 0) {
    if (!mayCreate(expected)) throw notCreated(name, expected);
    await requireRightToCreate(session);
    return { ...NOTHING, found: `${name} would get a new ledger, which numbers from order_id 1`, warnings };
  }
  const { ledgerId, lastOrderId } = await readEnd(session);
  requireExpectedId(name, ledgerId, expected);
  await requireRightToAllocate(session);
  const newest = newestVersion();
  const upgrade = version < newest ? `; its schema would be upgraded from version ${version} to ${newest}` : '';
  const notChecked = upgrade === '' ? [] : [`whether ${session.user} may upgrade the schema, which only its owner may`];
  const found = `${name} has ledger ${ledgerId}, whose last order_id is ${lastOrderId}${upgrade}`;
  return { found, ledgerId, lastOrderId, warnings, notChecked };
}

async function readEnd(session: Session): Promise<{ readonly ledgerId: string; readonly lastOrderId: bigint }> {
  const [end] = await session.query<{ ledger_id: string; last_order_id: bigint }>(
    'SELECT ledger_id, last_order_id FROM order_numbers.ledger_end()',
  );
  if (!end) throw new LedgerRefused(`${session.database} is damaged: its counter is missing; restore a good copy`);
  return { ledgerId: end.ledger_id, lastOrderId: end.last_order_id };
}

/** The right to create the schema, or to fill an empty one that an administrator has created. */
async function requireRightToCreate(session: Session): Promise<void> {
  const [row] = await session.query<{ may: boolean }>(
    `SELECT has_database_privilege(current_database(), 'CREATE') OR EXISTS (
       SELECT FROM pg_namespace WHERE nspname = 'order_numbers' AND has_schema_privilege(oid, 'CREATE')) AS may`,
  );
  if (row?.may) return;
  throw new LedgerRefused(
    `${session.user} may not create the schema order_numbers of ${session.database}; as the owner of the database, run the output ` +
      'of order-numbers migrate --print, including its GRANTs',
  );
}

async function requireRightToAllocate(session: Session): Promise<void> {
  const [row] = await session.query<{ may: boolean }>(
    `SELECT bool_or(has_function_privilege(oid, 'EXECUTE')) AS may FROM pg_proc
     WHERE proname = 'allocate' AND pronamespace = 'order_numbers'::regnamespace`,
  );
  if (row?.may) return;
  throw new LedgerRefused(`${session.server} does not let ${session.user} allocate; ${GRANTS}`);
}

function explain(error: unknown): string {
  const lacksRight = sqlState(error) === INSUFFICIENT_PRIVILEGE;
  return lacksRight ? `its user may not read the ledger (${reasonOf(error)}); ${GRANTS}` : reasonOf(error);
}

/** Without its standby a server reads from the primary. */
async function lookAtStandby(url: string | 'off', ledgerId: string | undefined): Promise<string[]> {
  if (url === 'off') return [];
  const look = await lookAt(url, readEnd);
  if ('failure' in look) {
    return [`the standby of --ledger-read does not answer (${look.failure}); reads would go to the primary instead`];
  }
  if (ledgerId === undefined || look.ledgerId === ledgerId) return [];
  return [
    `the standby of --ledger-read has another ledger (${look.ledgerId}); reads would go to the primary instead: correct ` +
      '--ledger-read',
  ];
}
