import type { QueryResultRow } from 'pg';
import type { Allocation } from '../../core/allocation.ts';
import { lastOrderIdOf } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type { AllocationKey, AllocationRange, LedgerEnd, LedgerReads, StoreRange } from '../../core/ledger.ts';
import { ledgerReopening } from '../../core/refusals.ts';
import type { Store } from '../../core/store.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';
import { verifyLedger } from '../../core/verify/verify-ledger.ts';
import type { LedgerPosition, LedgerPoint, SeenPoint } from './ledger-position.ts';
import { reasonOf, toReadError } from './connection/failures.ts';
import type { WriteSession } from './write-session.ts';
import { ReadPool } from './connection/read-pool.ts';
import type { AllocationRow, StoreRow } from './statements/rows.ts';
import { toAllocations, toStores } from './statements/rows.ts';
import { PostgresVerifySource } from './verify/verify-source.ts';

/** How long a read waits until what it saw is confirmed. */
const CONFIRM_READ_MS = 5000;
/** The same for the end, which can fall back to what was confirmed before. */
const CONFIRM_END_MS = 1000;
/** How long a standby may take for a read: short enough for the primary to answer the same caller. */
const STANDBY_READ_MS = 2000;
/** How long reads avoid a standby that failed. */
const STANDBY_PAUSE_MS = 10_000;

/** The end of the ledger at the moment at which the rows beside it were read. */
interface SnapshotRow {
  readonly ledger_id: string;
  readonly last_order_id: bigint;
  readonly version: bigint;
  readonly timeline: number;
  readonly last_store_id: bigint;
}

interface Found<Row> extends LedgerPoint {
  readonly rows: readonly Row[];
}

/**
 * The reads of a ledger on PostgreSQL. They show nothing that is not confirmed: see {@link LedgerPosition}.
 *
 * Lists of allocations, verifications and most lookups go to the standby of --ledger-read, if there is one; what it
 * does not have yet comes from the primary. Lookups by request_id always do: a NOT_FOUND must not come from a server
 * that is behind.
 */
export class PostgresReads implements LedgerReads {
  readonly #writeSession: WriteSession;
  readonly #position: LedgerPosition;
  readonly #standby: ReadPool | undefined;
  readonly #warn: (message: string) => void;
  #standbyPausesUntil = 0;
  /** Set after the one warning about it, until it answers again. */
  #isStandbyMissed = false;
  /** Connections to the primary, replaced each time that it was found again: old ones may lead to an old primary. */
  #pool: { readonly times: number; readonly reads: ReadPool } | undefined;

  constructor(
    writeSession: WriteSession,
    position: LedgerPosition,
    readHosts: readonly string[] | undefined,
    warn: (message: string) => void,
  ) {
    this.#warn = warn;
    this.#writeSession = writeSession;
    this.#position = position;
    this.#standby = readHosts && new ReadPool(readHosts, STANDBY_READ_MS);
  }

  async getStore(storeId: bigint): Promise<Store | undefined> {
    return (await this.listStores({ afterStoreId: storeId - 1n, upToStoreId: storeId, limit: 1 }))[0];
  }

  async listStores({ afterStoreId, upToStoreId, limit }: StoreRange): Promise<readonly Store[]> {
    const call = 'list_stores($1, $2, $3)';
    const found = await this.#find<StoreRow>(this.#primaryPool(), call, [afterStoreId, upToStoreId, limit]);
    await this.#requireConfirmed({ version: found.version, timeline: found.timeline });
    return toStores(found.rows);
  }

  async getAllocation(key: AllocationKey): Promise<Allocation | undefined> {
    const [call, ...values] = lookup(key);
    let found = 'requestId' in key ? undefined : await this.#askStandby<AllocationRow>(call, values);
    let allocation = found && covering(found.rows, key);
    if (!found || !allocation) {
      found = await this.#find<AllocationRow>(this.#primaryPool(), call, values);
      allocation = covering(found.rows, key);
      if (!allocation && found.lastOrderId < this.#position.lastOrderId) throw ledgerReopening();
    }
    // A caller that gets NOT_FOUND may order again with another key. Only the primary knows that a request has no
    // numbers, and only a write after this read proves that it was the primary.
    const isSettled = allocation !== undefined || !('requestId' in key);
    const needed = isSettled ? { lastOrderId: endOf(allocation) } : { version: found.version + 1n };
    await this.#requireConfirmed({ ...needed, timeline: found.timeline });
    return allocation;
  }

  async listAllocations(range: AllocationRange): Promise<readonly Allocation[]> {
    const { upToOrderId, newestFirst } = range;
    const [call, ...values] = listing(range);
    const isFarEnough = ({ lastOrderId }: LedgerPoint) => lastOrderId >= upToOrderId;
    let found = await this.#askStandby<AllocationRow>(call, values);
    if (!found || !isFarEnough(found)) {
      found = await this.#find<AllocationRow>(this.#primaryPool(), call, values);
      // Less than this process has seen: an old primary, or no primary at all.
      if (!isFarEnough(found) && found.lastOrderId < this.#position.lastOrderId) throw ledgerReopening();
    }
    const allocations = toAllocations(found.rows);
    await this.#requireConfirmed({
      lastOrderId: endOf(allocations.at(newestFirst ? 0 : -1)),
      timeline: found.timeline,
    });
    return allocations;
  }

  /** While nothing can be confirmed, the end of what was confirmed before. */
  async end(): Promise<LedgerEnd> {
    const [row] = await this.#query<SnapshotRow>(this.#primaryPool(), 'SELECT * FROM order_numbers.ledger_end()');
    const { ledger_id: ledgerId, last_order_id: lastOrderId, last_store_id: lastStoreId, timeline } = this.#ours(row);
    const isConfirmed = await this.#position.covers({ lastOrderId, timeline }, CONFIRM_END_MS);
    const end = isConfirmed ? lastOrderId : this.#position.lastOrderId;
    return { ledgerId, lastOrderId: end, lastStoreId, mayHaveMore: !isConfirmed };
  }

  async *verify(storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
    const { lastOrderId, mayHaveMore } = await this.end();
    if (mayHaveMore) throw ledgerReopening();
    const standby = await this.#askStandby('ledger_end()', []);
    const pool = this.#standby && standby && standby.lastOrderId >= lastOrderId ? this.#standby : this.#primaryPool();
    try {
      const source = await PostgresVerifySource.open((text, values) => pool.query(text, values), lastOrderId);
      yield* verifyLedger(source, storeId);
    } catch (error) {
      throw toReadError(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#standby?.end(), this.#pool?.reads.end()]);
  }

  #primaryPool(): ReadPool {
    const { found } = this.#writeSession;
    if (!found) throw ledgerReopening();
    if (this.#pool?.times !== found.times) {
      void this.#pool?.reads.end();
      this.#pool = { times: found.times, reads: new ReadPool([found.url]) };
    }
    return this.#pool.reads;
  }

  /** Undefined if there is no standby, if it does not answer, or if it has another ledger or that of an old primary. */
  async #askStandby<Row extends QueryResultRow>(call: string, values: readonly unknown[]) {
    if (!this.#standby || performance.now() < this.#standbyPausesUntil) return undefined;
    const found = await this.#find<Row>(this.#standby, call, values).catch((error: unknown) =>
      this.#missStandby(error),
    );
    if (found) this.#isStandbyMissed = false;
    // A standby that was ahead of the promoted one has rows that the new primary never had.
    return found && found.timeline >= this.#position.timeline ? found : undefined;
  }

  #missStandby(error: unknown): undefined {
    this.#standbyPausesUntil = performance.now() + STANDBY_PAUSE_MS;
    if (this.#isStandbyMissed) return;
    this.#isStandbyMissed = true;
    const why = error instanceof OrderError && error.cause !== undefined ? error.cause : error;
    this.#warn(`the standby of --ledger-read does not answer (${reasonOf(why)}); reading from the primary instead`);
  }

  /** The rows that a function of the schema returns, and the end of the ledger at the same moment. */
  async #find<Row extends QueryResultRow>(
    pool: ReadPool,
    call: string,
    values: readonly unknown[],
  ): Promise<Found<Row>> {
    const rows = await this.#query<Row & SnapshotRow>(
      pool,
      `SELECT ledger.ledger_id, ledger.last_order_id, ledger.version, ledger.timeline, found.*
       FROM order_numbers.ledger_end() AS ledger LEFT JOIN order_numbers.${call} AS found ON true`,
      values,
    );
    const { last_order_id: lastOrderId, version, timeline } = this.#ours(rows[0]);
    return { rows, lastOrderId, version, timeline };
  }

  async #query<Row extends QueryResultRow>(
    pool: ReadPool,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    try {
      return await pool.query<Row>(text, values);
    } catch (error) {
      throw toReadError(error);
    }
  }

  #ours<Row extends SnapshotRow>(row: Row | undefined): Row {
    // An old primary that still runs: its connections must not be used again.
    if (row && row.timeline < this.#position.timeline) this.#pool?.reads.reconnect();
    if (row?.ledger_id !== undefined && row.ledger_id === this.#writeSession.ledgerId) return row;
    throw ledgerReopening(new Error(`ledger ${row?.ledger_id} was read, but ${this.#writeSession.ledgerId} is served`));
  }

  async #requireConfirmed(needed: SeenPoint): Promise<void> {
    if (!(await this.#position.covers(needed, CONFIRM_READ_MS))) throw ledgerReopening();
  }
}

function listing({
  afterOrderId,
  upToOrderId,
  newestFirst = false,
  storeId,
  limit,
}: AllocationRange): [call: string, ...values: unknown[]] {
  if (storeId !== undefined) {
    const call = 'store_allocations_between($1, $2, $3, $4, $5)';
    return [call, storeId, afterOrderId, upToOrderId, limit, newestFirst];
  }
  if (newestFirst) return ['allocations_between($1, $2, $3, true)', afterOrderId, upToOrderId, limit];
  return ['allocations_above($1, $2, $3)', afterOrderId, upToOrderId, limit];
}

function lookup(key: AllocationKey): [call: string, ...values: unknown[]] {
  if ('requestId' in key) return ['allocation_by_request_id($1, $2)', key.storeId, key.requestId];
  if ('orderId' in key) return ['allocation_up_to_order_id($1)', key.orderId];
  return ['allocation_up_to_order_number($1, $2)', key.storeId, key.orderNumber];
}

/** The allocation if it has the key: one found by order is only the last candidate. */
function covering(rows: readonly AllocationRow[], key: AllocationKey): Allocation | undefined {
  const [found] = toAllocations(rows);
  if (!found || 'requestId' in key) return found;
  const isCovered =
    'orderId' in key ? endOf(found) >= key.orderId : found.orderNumber + BigInt(found.count) > key.orderNumber;
  return isCovered ? found : undefined;
}

/** The last order_id of an allocation; 0 without one. */
function endOf(allocation: Allocation | undefined): bigint {
  return allocation ? lastOrderIdOf(allocation) : 0n;
}
