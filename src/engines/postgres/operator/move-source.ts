import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused } from '../../../core/errors.ts';
import type { DeclaredLoss, LedgerCounters } from '../../../core/move/contents.ts';
import type { LedgerCounts, LedgerSource } from '../../../core/move/ledger-source.ts';
import type { Place } from '../../../core/move/place.ts';
import { isSamePlace } from '../../../core/move/place.ts';
import type { Store } from '../../../core/store.ts';
import { parsePostgresUrl } from '../connection/postgres-url.ts';
import { newestVersion, requireKnownVersion } from '../schema/schema.ts';
import { MovingSession } from './moving-session.ts';
import { PostgresContents } from './postgres-contents.ts';
import { asOwner, openPrimary, OTHER_SESSIONS } from './prepare-database.ts';
import { movedAway, placeInSeal, sealText, tellSeal } from './seal.ts';

/** The one row of the table ledger. */
const LEDGER = 'SELECT moving_from FROM order_numbers.ledger';

/** The ledger in the database at this URL, to leave it. Rejects with LedgerRefused if there is none, or if one moves in. */
export async function openMoveSource(location: string, signal: AbortSignal): Promise<LedgerSource> {
  const { hosts, name } = parsePostgresUrl(location);
  const found = await openPrimary(hosts, signal, async (session) => {
    const version = await asOwner(session, 'move the ledger', () => requireKnownVersion(session));
    if (version === 0) throw new LedgerRefused(`no ledger exists in ${name}; check the name of the database`);
    if (version < newestVersion()) {
      throw new LedgerRefused(`the schema of ${name} is an older one; first upgrade it, with --to ${name} alone`);
    }
    return session;
  });
  return MoveSource.open(await MovingSession.open(found, name), name);
}

/**
 * A ledger that leaves its database. From `hold` on one transaction has its counter locked, which every write takes first;
 * the seal is the end of the same transaction, so that nothing can be written in between, and a killed command leaves
 * nothing behind.
 */
export class MoveSource implements LedgerSource {
  readonly name: string;
  readonly warnings = [];
  readonly #session: MovingSession;
  readonly #contents: PostgresContents;
  #movedTo: Place | undefined;
  #mayBeSealed = false;
  #isHeld = false;

  private constructor(session: MovingSession, name: string, movedTo: Place | undefined) {
    this.#session = session;
    this.name = name;
    this.#movedTo = movedTo;
    this.#contents = new PostgresContents(name, (text, values) => session.write(text, values));
  }

  static async open(session: MovingSession, name: string): Promise<MoveSource> {
    try {
      const [row] = await session.write<{ moving_from: string | null }>(LEDGER);
      const { moving_from: movingFrom = null } = row ?? {};
      const movedTo = placeInSeal(movingFrom);
      if (movingFrom !== null && !movedTo) {
        throw new LedgerRefused(`a ledger is being moved into ${name}; finish that with order-numbers migrate`);
      }
      return new MoveSource(session, name, movedTo);
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  get isSealed(): boolean {
    return this.#mayBeSealed || this.#movedTo !== undefined;
  }

  requireNotElsewhere(place: Place): void {
    if (this.#movedTo && !isSamePlace(this.#movedTo, place)) throw movedAway(this.name, this.#movedTo);
  }

  async hold(): Promise<void> {
    if (this.isSealed) {
      // Its commit waits for a standby, and so confirms the seal that an earlier run committed.
      await this.#session.transaction(() =>
        this.#session.write('UPDATE order_numbers.ledger SET version = version + 1'),
      );
      return;
    }
    const [others] = await this.#session.write<{ count: bigint }>(`SELECT count(*) FROM ${OTHER_SESSIONS}`);
    if (others && others.count > 0n) {
      throw new LedgerRefused(
        `order-numbers servers are connected to ${this.name} (${others.count} sessions); first stop every one of them, and ` +
          'close the sessions that a pooler keeps open for them',
      );
    }
    await this.#session.begin();
    this.#isHeld = true;
    await this.#session.write(`${LEDGER} FOR UPDATE`);
  }

  async counts(): Promise<LedgerCounts> {
    const [row] = await this.#session.write<{ rows: bigint; stores: bigint }>(
      `SELECT (SELECT count(*) FROM order_numbers.allocations) AS rows,
         (SELECT count(*) FROM order_numbers.stores) AS stores`,
    );
    return { rows: row?.rows ?? 0n, stores: row?.stores ?? 0n };
  }

  counters(): Promise<LedgerCounters> {
    return this.#contents.counters();
  }

  allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.#contents.allocationsAfter(orderId, limit);
  }

  storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.#contents.storesAfter(storeId, limit);
  }

  declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.#contents.declaredLosses();
  }

  async seal(place: Place): Promise<void> {
    await this.#session.write('UPDATE order_numbers.ledger SET moving_from = $1, version = version + 1', [
      sealText(place),
    ]);
    await this.#session.write(tellSeal(place));
    this.#mayBeSealed = true;
    await this.#session.write('COMMIT');
    this.#isHeld = false;
    this.#movedTo = place;
  }

  /** If the session is lost, the server does that by itself. */
  async release(): Promise<void> {
    if (this.#isHeld) await this.#session.write('ROLLBACK').catch(() => {});
    this.#isHeld = false;
  }

  async close(): Promise<void> {
    await this.#session.end();
  }
}
