import { setTimeout as delay } from 'node:timers/promises';
import type { AllocationRequest } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type { ExpectedLedger } from '../../core/expected-ledger.ts';
import { ANY_LEDGER } from '../../core/expected-ledger.ts';
import { ledgerFull, ledgerReopening, storeUnknown } from '../../core/refusals.ts';
import type { CommitListener, Ledger, Outcome } from '../../core/ledger.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import { CommitFeed } from '../../core/reading/commit-feed.ts';
import { parsePostgresUrl } from './connection/postgres-url.ts';
import { settledWithin } from '../../core/settled-within.ts';
import type { Store, StoreChanges, StoreSettings } from '../../core/store.ts';
import { allocate, asSentBefore } from './statements/batch-call.ts';
import type { LedgerPoint } from './ledger-position.ts';
import { LedgerPosition } from './ledger-position.ts';
import { within } from './connection/deadline.ts';
import { isDiskFull, NotSent, remedyFor } from './connection/failures.ts';
import { PostgresReads } from './postgres-reads.ts';
import { confirm, Primary } from './primary.ts';
import type { Session } from './connection/session.ts';
import { changeStore, createStore } from './statements/store-calls.ts';

/**
 * How long a write may go without an answer before it is asked again on another session: at first, and at most. Where
 * the first one is still at it, the second stands in line behind it.
 */
const FIRST_ATTEMPT_MS = 3000;
const LONGEST_ATTEMPT_MS = 12_000;
/** How long a batch is asked again before its callers are told that its outcome is unknown. */
const RESEND_MS = 30_000;
/** Before the n-th repetition, n times this. */
const PAUSE_MS = 5;
/** Writes of stores under way or waiting, at most. */
const MOST_STORE_WRITES = 1000;
/** How often what other servers committed is looked for, while somebody listens. */
const LOOK_MS = 20;
const LOOK_AFTER_FAILURE_MS = 500;

export interface PostgresLedgerOptions {
  /** Whether the first allocation makes its store. */
  readonly autoCreateStores: boolean;
  /** The URL of a standby for reads; undefined means the primary. */
  readonly readUrl: string | undefined;
  /** Any, unless it is given. */
  readonly expected?: ExpectedLedger;
}

/**
 * The ledger in a PostgreSQL database (see {@link Ledger} for what it promises), shared by any number of servers. The
 * lock on its one counter row puts all their batches in one order.
 *
 * A write that got no answer is asked again, wherever the primary is then: its keys say what was done. So a lost
 * connection costs the callers time, and nothing else.
 */
export class PostgresLedger implements Ledger {
  readonly #observer: LedgerObserver;
  readonly #autoCreateStores: boolean;
  readonly #primary: Primary;
  readonly #position: LedgerPosition;
  readonly reads: PostgresReads;
  readonly #feed = new CommitFeed();
  /** The last use of the session that writes. It takes one at a time, and the time of one is not spent waiting for another. */
  #turn: Promise<unknown> = Promise.resolve();
  #storeWrites = 0;
  #isLooking = false;

  /** Throws an Error where a URL cannot be; starts to look for the primary. */
  constructor(url: string, options: PostgresLedgerOptions, observer: LedgerObserver) {
    const { autoCreateStores, readUrl, expected = ANY_LEDGER } = options;
    this.#observer = observer;
    this.#autoCreateStores = autoCreateStores;
    const readHosts = readUrl === undefined ? undefined : parsePostgresUrl(readUrl).hosts;
    this.#position = new LedgerPosition(() => this.#attempt(FIRST_ATTEMPT_MS, confirm));
    this.#primary = new Primary({ ...parsePostgresUrl(url), expected }, observer, (point) =>
      this.#position.raise(point),
    );
    this.reads = new PostgresReads(this.#primary, this.#position, readHosts, (message) => observer.warning(message));
  }

  /** The end of the sequence over all stores, as far as this process has seen it confirmed. */
  get lastOrderId(): bigint {
    return this.#position.lastOrderId;
  }

  async ready(): Promise<void> {
    await this.#primary.session();
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    const end = performance.now() + RESEND_MS;
    let attemptMs = FIRST_ATTEMPT_MS;
    for (let attempts = 1; ; attempts++) {
      try {
        await within(end - performance.now(), this.ready(), 'no primary was found in time');
        const began = performance.now();
        const work = (session: Session) => allocate(session, batch, this.#autoCreateStores);
        const committed = await this.#position.follow(
          this.#attempt(Math.min(attemptMs, end - performance.now()), work),
        );
        this.#observer.transaction(performance.now() - began);
        const { lastOrderId, outcomes } = committed;
        this.#feed.committed(lastOrderId, outcomes);
        return attempts === 1 ? outcomes : asSentBefore(outcomes, batch);
      } catch (error) {
        // The ledger cannot be opened, or is being closed.
        if (error instanceof OrderError) throw error;
        if (attempts === 1 && isDiskFull(error) && (await this.#isAlive())) throw ledgerFull(error);
        if (remedyFor(error) === 'tell' || performance.now() >= end) throw error;
        attemptMs = Math.min(2 * attemptMs, LONGEST_ATTEMPT_MS);
        await delay(PAUSE_MS * attempts);
      }
    }
  }

  createStore(store: StoreSettings): Promise<Store> {
    return this.#writeStore(store.storeId, (session) => createStore(session, store));
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<Store> {
    return this.#writeStore(storeId, (session) => changeStore(session, storeId, changes));
  }

  onCommitted(listener: CommitListener): () => void {
    const leave = this.#feed.listen(listener);
    if (!this.#isLooking) void this.#look();
    return leave;
  }

  async close(): Promise<void> {
    this.#feed.close();
    await Promise.all([this.#primary.close(), this.reads.close()]);
  }

  /** Works on the session that writes, which is given up where it failed, or did not answer in time. */
  #attempt<Written extends LedgerPoint>(ms: number, work: (session: Session) => Promise<Written>): Promise<Written> {
    return this.#inTurn(() => this.#write(ms, work));
  }

  #inTurn<Result>(use: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(use);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #write<Written extends LedgerPoint>(
    ms: number,
    work: (session: Session) => Promise<Written>,
  ): Promise<Written> {
    const found = this.#primary.session();
    if (!(await settledWithin(ms, found))) throw new NotSent('no primary was found in time');
    const session = await found;
    try {
      const written = await within(
        ms,
        work(session),
        `an answer of ${session.server} took longer than ${Math.round(ms)} ms`,
      );
      this.#primary.saw(session, written);
      return written;
    } catch (error) {
      if (remedyFor(error) !== 'ask again' && !isDiskFull(error)) this.#primary.giveUp(session, error);
      throw error;
    }
  }

  async #writeStore(
    storeId: bigint,
    write: (session: Session) => Promise<LedgerPoint & { readonly store: Store | OrderError }>,
  ): Promise<Store> {
    if (this.#storeWrites >= MOST_STORE_WRITES) {
      throw new OrderError('QUEUE_FULL', 'too many stores are being written: ask again later');
    }
    this.#storeWrites++;
    try {
      return await this.#written(storeId, write);
    } finally {
      this.#storeWrites--;
    }
  }

  async #written(
    storeId: bigint,
    write: (session: Session) => Promise<LedgerPoint & { readonly store: Store | OrderError }>,
  ): Promise<Store> {
    const { store } = await this.#position.follow(this.#attempt(LONGEST_ATTEMPT_MS, write)).catch((error: unknown) => {
      if (error instanceof NotSent) throw ledgerReopening(error);
      throw error instanceof OrderError ? error : storeUnknown(storeId, error);
    });
    if (store instanceof OrderError) throw store;
    return store;
  }

  /** Tells what other servers committed. Nothing is missed: order_ids have no hole, and only the end is told. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#feed.hasListeners) {
      const pauseMs = await this.reads.end().then(
        ({ lastOrderId }) => {
          this.#feed.endsAt(lastOrderId);
          return LOOK_MS;
        },
        () => LOOK_AFTER_FAILURE_MS,
      );
      await delay(pauseMs, undefined, { ref: false });
    }
    this.#isLooking = false;
  }

  /** A server that goes on after an error has rolled back what failed; one that fell over may have done it. */
  #isAlive(): Promise<boolean> {
    return this.#inTurn(async () => {
      const session = await this.#primary.session();
      return within(FIRST_ATTEMPT_MS, session.write({ text: 'SELECT 1' }), 'no answer').then(
        () => true,
        () => false,
      );
    });
  }
}
