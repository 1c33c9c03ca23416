import { onTestFinished } from 'vitest';
import type { Engine, FaultyLedger } from './engines.ts';
import { ordersSql } from '../ledgers/orders-sql.ts';
import { isBatch } from '../postgres/batch-query.ts';
import { newDatabaseWithSchema } from '../postgres/database-with-schema.ts';
import { newDatabase, query } from '../postgres/database.ts';
import { assertDense } from '../postgres/density.ts';
import type { HeldCounter } from '../postgres/held-counter.ts';
import { holdCounter } from '../postgres/held-counter.ts';
import type { ServerProcess } from '../processes/server-process.ts';
import { TcpProxy } from '../network/tcp-proxy.ts';

/** PostgreSQL's error for a wrong page checksum; damaging a page on disk would damage a shared server. */
const DAMAGE = `
ALTER FUNCTION allocations_above(bigint, bigint, integer) RENAME TO undamaged;
CREATE FUNCTION allocations_above(above bigint, up_to bigint, most integer)
RETURNS SETOF allocations LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'invalid page in block 7 of relation base/5/16390' USING ERRCODE = 'XX001';
END $$`;

/** At the commit itself, after everything else went well. Every write of a server updates the table ledger. */
const FAILING_COMMITS = `
CREATE CONSTRAINT TRIGGER fails AFTER UPDATE ON ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION`;

export const POSTGRES: Engine = {
  name: 'PostgreSQL',
  newLedger: newDatabaseWithSchema,
  absentLedger: newDatabase,
  assertDense,
  addOrders: (url, count) => execute(url, ordersSql(count)),
  setLastCreateTime: (url, ms) => execute(url, `UPDATE ledger SET last_create_time_ms = ${ms}`),
  deleteOrder: (url, orderId) => execute(url, `DELETE FROM allocations WHERE order_id = ${orderId}`),
  breakStoreReads: (url) => execute(url, 'ALTER TABLE stores RENAME TO elsewhere'),
  canBeFull: true,
  damage: (url) => execute(url, DAMAGE),

  async newFaultyLedger() {
    const url = await newDatabaseWithSchema();
    const proxy = await TcpProxy.start(new URL(url).host);
    onTestFinished(() => proxy.close());
    return new PostgresFaults(url, proxy);
  },
};

/** Faults of a server, and of the network before it. */
class PostgresFaults implements FaultyLedger {
  readonly ledger: string;
  readonly options = {};
  // PostgreSQL gives up waiting for a lock when it has noticed that the client is gone.
  readonly heldMayBeReplayed = [true, false];
  readonly unavailableReason = /ECONNREFUSED/;
  readonly #url: string;
  readonly #proxy: TcpProxy;
  #counter: HeldCounter | undefined;

  constructor(url: string, proxy: TcpProxy) {
    this.#url = url;
    this.#proxy = proxy;
    this.ledger = url.replace(new URL(url).host, proxy.address);
  }

  async holdCommits(): Promise<void> {
    this.#counter = await holdCounter(this.#url);
  }

  async commitIsHeld(): Promise<void> {
    await this.#counter?.isWaitedFor();
  }

  async release(): Promise<void> {
    await this.#counter?.release();
  }

  /** Commits begun before do not count. A sequence is not rolled back with what failed. */
  async failNextCommit(): Promise<void> {
    const [row] = await query(this.#url, 'SELECT clock_timestamp()::text AS now');
    await execute(
      this.#url,
      `CREATE SEQUENCE failures;
       CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF now() > '${String(row?.['now'])}' AND nextval('order_numbers.failures') = 1 THEN
           RAISE EXCEPTION 'this commit fails';
         END IF;
         RETURN NULL;
       END $$;
       ${FAILING_COMMITS} fail_once()`,
    );
  }

  async fillDisk(): Promise<void> {
    await execute(
      this.#url,
      `CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
       END $$;
       ${FAILING_COMMITS} fill()`,
    );
  }

  freeDisk(): Promise<void> {
    return execute(this.#url, 'DROP TRIGGER fails ON ledger');
  }

  async makeUnavailable(): Promise<void> {
    this.#proxy.refuse();
  }

  makeAvailable(): Promise<void> {
    return this.#proxy.flow();
  }

  async killAfterCommit(server: ServerProcess): Promise<void> {
    void this.#proxy.cutAnswerOfNext(isBatch).then(() => {
      // Otherwise it would retry, and learn the outcome after all.
      this.#proxy.refuse();
      return server.kill();
    });
  }
}

async function execute(url: string, sql: string): Promise<void> {
  await query(url, `SET search_path = order_numbers; ${sql}`);
}
