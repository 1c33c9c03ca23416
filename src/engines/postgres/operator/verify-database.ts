import { LedgerRefused } from '../../../core/errors.ts';
import { parsePostgresUrl } from '../connection/postgres-url.ts';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyLedger } from '../../../core/verify/verify-ledger.ts';
import { reasonOf } from '../connection/failures.ts';
import type { Query } from '../statements/rows.ts';
import { ReadPool } from '../connection/read-pool.ts';
import { INSUFFICIENT_PRIVILEGE, sqlState, UNDEFINED_FUNCTION, UNDEFINED_SCHEMA } from '../connection/sql-state.ts';
import { PostgresVerifySource } from '../verify/verify-source.ts';

const NO_LEDGER = new Set([UNDEFINED_SCHEMA, UNDEFINED_FUNCTION, INSUFFICIENT_PRIVILEGE]);

/**
 * Verifies the ledger in the database at `url`, or one store of it, without a server: on the first host that answers,
 * primary or standby. See LedgerReads.verify. Throws LedgerRefused if there is no readable ledger.
 */
export async function* verifyPostgresLedger(url: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const { hosts, name } = parsePostgresUrl(url);
  const failures: string[] = [];
  for (const host of hosts) {
    const pool = new ReadPool([host]);
    const query: Query = (text, values) => pool.query(text, values);
    try {
      const end = await readEnd(query).catch((error: unknown) => {
        failures.push(explain(error));
      });
      if (end === undefined) continue;
      yield* verifyLedger(await PostgresVerifySource.open(query, end), storeId);
      return;
    } finally {
      await pool.end();
    }
  }
  throw new LedgerRefused(`${name} cannot be read: ${failures.join('; ')}`);
}

async function readEnd(query: Query): Promise<bigint> {
  const [end] = await query<{ last_order_id: bigint }>('SELECT last_order_id FROM order_numbers.ledger_end()');
  if (!end) throw new Error('the table ledger is empty');
  return end.last_order_id;
}

function explain(error: unknown): string {
  if (NO_LEDGER.has(sqlState(error) ?? '')) {
    return `it has no order ledger that this user can read (${reasonOf(error)}); check the URL and its user's rights`;
  }
  return reasonOf(error);
}
