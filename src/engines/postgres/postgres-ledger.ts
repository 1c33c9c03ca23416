import { setTimeout as delay } from 'node:timers/promises';
import type { AllocationRequest } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type { ExpectedLedger } from '../../core/expected-ledger.ts';
import { ANY_LEDGER } from '../../core/expected-ledger.ts';
import { ledgerFull, ledgerReopening, storeUnknown } from '../../core/refusals.ts';
import type { CommitListener, Ledger, Outcome } from '../../core/ledger.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import { SharedFeed } from '../../core/reading/shared-feed.ts';
import { parsePostgresUrl } from './connection/postgres-url.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../core/store.ts';
import { allocate, asSentBefore } from './statements/allocate-call.ts';
import { LedgerPosition } from './ledger-position.ts';
import { isDiskFull, NotSent, remedyFor } from './connection/failures.ts';
import { PostgresReads } from './postgres-reads.ts';
import { WriteSession } from './write-session.ts';
import type { Session } from './connection/session.ts';
import type { WrittenStore } from './statements/store-calls.ts';
import { changeStore, createStore } from './statements/store-calls.ts';

/**
 * How long a write may go without an answer before it is retried on another session: at first, and at most. If the
 * first is still running, the second queues behind its lock.
 */
const FIRST_ATTEMPT_MS = 3000;
const MAX_ATTEMPT_MS = 12_000;
/** How long a batch is retried before its callers are told that its outcome is unknown. */
const RESEND_MS = 30_000;
/** The pause before the n-th retry is n times this. */
const PAUSE_MS = 5;
/** Writes of stores in progress or waiting. */
const MAX_STORE_WRITES = 1000;
/** How often the ledger is polled for commits of other servers, while there are listeners. */
const LOOK_MS = 20;

export interface PostgresLedgerOptions {
  /** Whether the first allocation creates its store. */
  readonly autoCreateStores: boolean;
  /** The URL of a standby for reads; undefined means the primary. */
  readonly readUrl: string | undefined;
  /** The ledger to serve; any unless given. */
  readonly expected?: ExpectedLedger;
}

/**
 * The ledger in a PostgreSQL database (see {@link Ledger} for what it promises), shared by any number of servers. The
 * lock on its one counter row puts all their batches in one order.
 *
 * A write without an answer is retried, wherever the primary is then: its keys tell what was done. So a lost connection
 * costs the callers time, and nothing else.
 */
export class PostgresLedger implements Ledger {
  readonly #observer: LedgerObserver;
  readonly #autoCreateStores: boolean;
  readonly #position: LedgerPosition;
  readonly #writeSession: WriteSession;
  readonly reads: PostgresReads;
  readonly #feed = new SharedFeed(() => this.reads.end(), LOOK_MS);
  #storeWrites = 0;

  /** Throws an Error for a URL that cannot be used; starts to look for the primary. */
  constructor(url: string, options: PostgresLedgerOptions, observer: LedgerObserver) {
    const { autoCreateStores, readUrl, expected = ANY_LEDGER } = options;
    this.#observer = observer;
    this.#autoCreateStores = autoCreateStores;
    const readHosts = readUrl === undefined ? undefined : parsePostgresUrl(readUrl).hosts;
    this.#position = new LedgerPosition(() => this.#writeSession.confirmed(FIRST_ATTEMPT_MS));
    this.#writeSession = new WriteSession({ ...parsePostgresUrl(url), expected }, observer, this.#position);
    this.reads = new PostgresReads(this.#writeSession, this.#position, readHosts, (message) =>
      observer.warning(message),
    );
  }

  /** The end of the sequence over all stores, as far as this process has seen it confirmed. */
  get lastOrderId(): bigint {
    return this.#position.lastOrderId;
  }

  ready(): Promise<void> {
    return this.#writeSession.ready();
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    const end = performance.now() + RESEND_MS;
    const work = (session: Session) => allocate(session, batch, this.#autoCreateStores);
    let attemptMs = FIRST_ATTEMPT_MS;
    for (let attempts = 1; ; attempts++) {
      try {
        // Before its turn, so that it keeps no other write waiting.
        await this.#writeSession.session(end - performance.now());
        const began = performance.now();
        const { lastOrderId, outcomes } = await this.#writeSession.write(Math.min(attemptMs, end - began), work);
        this.#observer.transaction(performance.now() - began);
        this.#feed.committed(lastOrderId, outcomes);
        return attempts === 1 ? outcomes : asSentBefore(outcomes, batch);
      } catch (error) {
        // The ledger cannot be opened, or is closing.
        if (error instanceof OrderError) throw error;
        if (attempts === 1 && isDiskFull(error) && (await this.#writeSession.isAlive(FIRST_ATTEMPT_MS))) {
          throw ledgerFull(error);
        }
        if (remedyFor(error) === 'report' || performance.now() >= end) throw error;
        attemptMs = Math.min(2 * attemptMs, MAX_ATTEMPT_MS);
        await delay(PAUSE_MS * attempts);
      }
    }
  }

  createStore(store: StoreSettings): Promise<Store> {
    return this.#writeStore(store.storeId, (session) => createStore(session, store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    return this.#writeStore(storeId, (session) => changeStore(session, storeId, changes));
  }

  onCommitted(listener: CommitListener): () => void {
    return this.#feed.listen(listener);
  }

  async close(): Promise<void> {
    this.#feed.close();
    await Promise.all([this.#writeSession.close(), this.reads.close()]);
  }

  async #writeStore<Written>(
    storeId: bigint,
    work: (session: Session) => Promise<WrittenStore<Written>>,
  ): Promise<Written> {
    if (this.#storeWrites >= MAX_STORE_WRITES) {
      throw new OrderError('QUEUE_FULL', 'too many stores are being written; retry later');
    }
    this.#storeWrites++;
    try {
      const { written } = await this.#writeSession.write(MAX_ATTEMPT_MS, work);
      if (written instanceof OrderError) throw written;
      return written;
    } catch (error) {
      if (error instanceof NotSent) throw ledgerReopening(error);
      throw error instanceof OrderError ? error : storeUnknown(storeId, error);
    } finally {
      this.#storeWrites--;
    }
  }
}
