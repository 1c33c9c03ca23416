import type { QueryResultRow } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';
import type { ImportedStore } from '../../../core/move/imported-store.ts';
import type { PostgresUrl } from '../connection/postgres-url.ts';
import { reasonOf } from '../connection/failures.ts';
import { MOVE_LOCK } from './moving-session.ts';
import { asOwner, openPrimary, OTHER_SESSIONS } from './prepare-database.ts';
import { requireKnownVersion } from '../schema/schema.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';

/** How far the numbers had gone before a database was restored to an earlier time. */
export interface Continuation {
  /** The greatest order_id that may have been given; the next one is above it. */
  readonly above: bigint;
  /** Stores whose next order_number is known; each other store skips as many numbers as order_ids are lost. */
  readonly stores: Iterable<ImportedStore>;
}

/** The numbers that are recorded as lost, or would be. */
export interface DeclaredLoss {
  readonly ledgerId: string;
  /** The lost order_ids; `length` is 0 if none is lost. */
  readonly firstOrderId: bigint;
  readonly lastOrderId: bigint;
  readonly length: bigint;
  /** Stores that skip numbers, and stores that are created. */
  readonly storesSkipped: bigint;
  readonly storesCreated: bigint;
}

interface PlanRow {
  readonly ledger_id: string;
  readonly last_order_id: bigint;
  readonly moving_from: string | null;
  readonly skipped: bigint;
  readonly created: bigint;
}

interface StoreRow {
  readonly store_id: bigint;
  readonly last_number: bigint;
  readonly next_last: string;
}

/** The task of this command, for messages. */
const TASK = 'declare the loss';
/** Stores sent in one statement. */
const STORES_PER_INSERT = 1000;

/** The next last_number of each store. Numeric, because it may exceed a bigint. */
const GOING_ON = `
CREATE TEMPORARY TABLE going_on ON COMMIT DROP AS
SELECT store_id, last_number, coalesce(next_number - 1, last_number::numeric + $1) AS next_last
FROM order_numbers.stores FULL JOIN pg_temp.continued USING (store_id)`;

/**
 * Declares everything lost that may have been given after the end of this ledger, in one transaction: order_ids continue
 * above `continuation.above`, a given store continues with its next number, and each other store skips as many numbers
 * as it can have given at most. Undefined, and nothing done, if `agree` resolves to false; a second run finds nothing to
 * do. Throws LedgerRefused if a sequence would go back or has too few numbers left, and while a server is connected.
 */
export async function declareLoss(
  { hosts, name }: PostgresUrl,
  continuation: Continuation,
  agree: (loss: DeclaredLoss) => Promise<boolean>,
  signal: AbortSignal,
): Promise<DeclaredLoss | undefined> {
  const session = await openPrimary(hosts, signal, async (found) => {
    await requireSchema(found, name);
    return found;
  });
  try {
    const loss = await declare(session, name, continuation, agree).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
    if (loss) await commit(session);
    return loss;
  } finally {
    await session.end();
  }
}

/** Creates and upgrades nothing, because the database may be the wrong one. */
async function requireSchema(session: Session, name: string): Promise<void> {
  const version = await asOwner(session, TASK, () => requireKnownVersion(session));
  if (version === 0) throw new LedgerRefused(`no ledger exists in ${name}; name the database that was restored`);
}

/** Everything but the commit. */
async function declare(
  session: Session,
  name: string,
  continuation: Continuation,
  agree: (loss: DeclaredLoss) => Promise<boolean>,
): Promise<DeclaredLoss | undefined> {
  await write(session, 'BEGIN');
  await write(session, `${MAKE_DURABLE} SELECT backend FROM durable`);
  await requireAlone(session, name);
  const loss = await plan(session, name, continuation);
  const isNeeded = loss.length + loss.storesSkipped + loss.storesCreated > 0n;
  if (isNeeded && !(await agree(loss))) return undefined;
  await carryOut(session, loss);
  return loss;
}

async function commit(session: Session): Promise<void> {
  try {
    await write(session, 'COMMIT');
  } catch (error) {
    throw new Error(
      `${reasonOf(error)}; the loss may have been recorded, so run the same command again, which is safe to repeat`,
      { cause: error },
    );
  }
}

/** Refuses while a server is connected, which would continue from what it has seen, or while a move is in progress. */
async function requireAlone(session: Session, name: string): Promise<void> {
  const [lock] = await write<{ taken: boolean }>(session, 'SELECT pg_try_advisory_xact_lock($1) AS taken', [MOVE_LOCK]);
  if (lock?.taken !== true)
    throw new LedgerRefused(`order-numbers migrate is running on ${name}; wait until it has ended`);
  const [others] = await write<{ count: bigint }>(session, `SELECT count(*) FROM ${OTHER_SESSIONS}`);
  if (others?.count === 0n) return;
  throw new LedgerRefused(
    `order-numbers servers are connected to ${name} (${others?.count} sessions); first stop every one of them, and close ` +
      'the sessions that a pooler keeps open for them',
  );
}

async function plan(session: Session, name: string, { above, stores }: Continuation): Promise<DeclaredLoss> {
  // The lock that every write takes first.
  const [ledger] = await write<Pick<PlanRow, 'last_order_id' | 'moving_from' | 'ledger_id'>>(
    session,
    'SELECT ledger_id, last_order_id, moving_from FROM order_numbers.ledger FOR UPDATE',
  );
  if (!ledger) throw new LedgerRefused(`the table ledger of ${name} is empty; put a good copy back`);
  const { ledger_id: ledgerId, last_order_id: end } = ledger;
  if (ledger.moving_from !== null) {
    throw new LedgerRefused(`another ledger is being copied into ${name}; finish that with order-numbers migrate`);
  }
  if (above < end) {
    throw new LedgerRefused(
      `${name} ends at order_id ${end}, so continuing above ${above} would give numbers twice; name ${end} or a higher one`,
    );
  }
  await takeStores(session, stores);
  const length = above - end;
  await write(session, GOING_ON, [length]);
  await requireStores(session, length);
  const [counts] = await write<Pick<PlanRow, 'skipped' | 'created'>>(
    session,
    `SELECT count(*) FILTER (WHERE next_last > last_number) AS skipped,
       count(*) FILTER (WHERE last_number IS NULL) AS created FROM pg_temp.going_on`,
  );
  return {
    ledgerId,
    firstOrderId: end + 1n,
    lastOrderId: above,
    length,
    storesSkipped: counts?.skipped ?? 0n,
    storesCreated: counts?.created ?? 0n,
  };
}

async function takeStores(session: Session, stores: Continuation['stores']): Promise<void> {
  await write(
    session,
    'CREATE TEMPORARY TABLE continued (store_id bigint PRIMARY KEY, next_number bigint NOT NULL) ON COMMIT DROP',
  );
  let [ids, numbers]: [bigint[], bigint[]] = [[], []];
  const flush = () =>
    write(session, 'INSERT INTO pg_temp.continued SELECT * FROM unnest($1::bigint[], $2::bigint[])', [ids, numbers]);
  for (const { storeId, nextNumber } of stores) {
    ids.push(storeId);
    numbers.push(nextNumber);
    if (ids.length < STORES_PER_INSERT) continue;
    await flush();
    [ids, numbers] = [[], []];
  }
  if (ids.length > 0) await flush();
}

async function requireStores(session: Session, length: bigint): Promise<void> {
  const [row] = await write<StoreRow>(
    session,
    `SELECT store_id, last_number, next_last::text FROM pg_temp.going_on
     WHERE next_last < last_number OR next_last > 9223372036854775807 ORDER BY store_id LIMIT 1`,
  );
  if (!row) return;
  const { store_id: storeId, last_number: last, next_last: nextLast } = row;
  if (BigInt(nextLast) < last) {
    throw new LedgerRefused(
      `store ${storeId} would give numbers twice: its next_number is ${BigInt(nextLast) + 1n}, but the ledger has already ` +
        `given its numbers up to ${last}; use ${last + 1n} or more, or omit the store`,
    );
  }
  throw new LedgerRefused(
    `store ${storeId} is at order_number ${last} and cannot skip ${length} more; name its next number with --stores, ` +
      'or a lower order_id',
  );
}

async function carryOut(session: Session, { firstOrderId, lastOrderId, length }: DeclaredLoss): Promise<void> {
  const nowMs = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
  if (length > 0n) {
    await write(session, `INSERT INTO order_numbers.declared_losses VALUES (NULL, $1, $2, ${nowMs})`, [
      firstOrderId,
      lastOrderId,
    ]);
  }
  await write(
    session,
    `INSERT INTO order_numbers.declared_losses SELECT store_id, last_number + 1, next_last, ${nowMs}
     FROM pg_temp.going_on WHERE next_last > last_number ORDER BY store_id`,
  );
  await write(
    session,
    `UPDATE order_numbers.stores SET last_number = next_last FROM pg_temp.going_on
     WHERE stores.store_id = going_on.store_id AND next_last > stores.last_number`,
  );
  await write(
    session,
    `INSERT INTO order_numbers.stores (store_id, first_number, last_number, create_time_ms)
     SELECT store_id, next_last + 1, next_last, ${nowMs} FROM pg_temp.going_on WHERE last_number IS NULL ORDER BY store_id`,
  );
  await write(session, 'UPDATE order_numbers.ledger SET last_order_id = $1, version = version + 1', [lastOrderId]);
}

async function write<Row extends QueryResultRow>(
  session: Session,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  return asOwner(session, TASK, () => session.write<Row>({ text, values: [...values] }));
}
