import { setTimeout as delay } from 'node:timers/promises';
import type { OrderError } from '../../core/errors.ts';
import { LedgerRefused } from '../../core/errors.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import { ledgerUnusable, stoppedBeforeOpen } from '../../core/refusals.ts';
import { settledWithin } from '../../core/settled-within.ts';
import { asLacking, isDiskFull, NotSent, reasonOf, remedyFor, within } from './connection/failures.ts';
import { NotPrimary, requireDurable, warningsOf } from './connection/server-state.ts';
import { Session } from './connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, MUST_NOT_NUMBER, sqlState, UNDEFINED_FUNCTION } from './connection/sql-state.ts';
import type { ExpectedDatabase } from './expected-database.ts';
import { prepareLedger } from './expected-database.ts';
import type { LedgerPoint, LedgerPosition } from './ledger-position.ts';
import type { ConfirmedLedger } from './statements/confirm-call.ts';
import { confirm, confirmInTime } from './statements/confirm-call.ts';

/** Between two rounds over all hosts: at first, and at most. */
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

/** The one session that writes. When it is lost, this looks for the primary again, wherever it is by then. */
export class WriteSession {
  readonly #place: ExpectedDatabase;
  readonly #observer: LedgerObserver;
  readonly #position: LedgerPosition;
  /** The ledger that was found first; no other one is served. */
  #ledgerId: string | undefined;
  /** Whether this process has created the ledger, even in an attempt that failed later. */
  #isNew = false;
  #toldShared = false;
  #current: Session | undefined;
  #session: Promise<Session>;
  #found: { readonly url: string; readonly times: number } | undefined;
  /** The last use of the session, until it has ended. */
  #inUse: Promise<unknown> | undefined;
  readonly #closing = new AbortController();

  /** Starts to look for the primary; `position` follows what it confirms. */
  constructor(place: ExpectedDatabase, observer: LedgerObserver, position: LedgerPosition) {
    this.#place = place;
    this.#observer = observer;
    this.#position = position;
    this.#session = this.#open();
    this.#session.catch(ignore);
  }

  /** The primary that was found last, and how often one was found; undefined before the first time. */
  get found(): { readonly url: string; readonly times: number } | undefined {
    return this.#found;
  }

  get ledgerId(): string | undefined {
    return this.#ledgerId;
  }

  /** Resolves when there is a session. Rejects if an operator has to act before there can be one. */
  async ready(): Promise<void> {
    await this.#session;
  }

  /** The session; waits for it at most `ms`, and rejects with NotSent if there is none by then. */
  async session(ms: number): Promise<Session> {
    if (this.#current && ms > 0) return this.#current;
    const session = this.#session;
    if (!(await settledWithin(ms, session))) throw new NotSent('no primary was found in time');
    return session;
  }

  /**
   * Runs one write at a time; waiting for a turn does not count against a write's own limit of `ms`. A session on which
   * a write failed, or got no answer in time, is abandoned.
   */
  write<Written extends LedgerPoint>(ms: number, work: (session: Session) => Promise<Written>): Promise<Written> {
    return this.#inTurn(async () => {
      const session = await this.session(ms);
      try {
        const late = `${session.server} did not answer within ${Math.round(ms)} ms`;
        const written = await within(ms, work(session), late);
        this.#warnIfShared(session);
        this.#position.advance(session.server, written);
        return written;
      } catch (error) {
        if (remedyFor(error) !== 'retry' && !isDiskFull(error)) this.#giveUp(session, error);
        throw error;
      }
    });
  }

  /**
   * Waits for the write in progress, or for a small one of at most `ms`: each shows how far the ledger is confirmed.
   */
  confirmed(ms: number): Promise<unknown> {
    return this.#inUse ?? this.write(ms, confirm);
  }

  /** A server that still answers after an error has rolled the failed write back; one that crashed may have done it. */
  isAlive(ms: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const session = await this.#session;
      return within(ms, session.write({ text: 'SELECT 1' }), 'no answer').then(
        () => true,
        () => false,
      );
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#current?.end();
    await this.#session.catch(ignore);
  }

  #inTurn<Result>(use: () => Promise<Result>): Promise<Result> {
    const result = this.#inUse ? this.#inUse.then(use, use) : use();
    const ended = () => {
      if (this.#inUse === result) this.#inUse = undefined;
    };
    this.#inUse = result;
    result.then(ended, ended);
    return result;
  }

  /** Abandons a session, and looks for the primary again unless that has already begun. */
  #giveUp(session: Session, why: unknown): void {
    session.abandon();
    if (this.#current !== session) return;
    this.#current = undefined;
    if (!this.#closing.signal.aborted) {
      const lost = `lost the connection to ${session.server} (${reasonOf(why)}); looking for the primary`;
      this.#observer.waiting(lost, 'database unreachable');
    }
    this.#session = this.#open();
    this.#session.catch(ignore);
  }

  /** Tries until there is a session. Until the first one, what only an operator can change is final. */
  async #open(): Promise<Session> {
    let toldWhy: string | undefined;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#closing.signal.aborted) {
      const failures: unknown[] = [];
      for (const host of this.#place.hosts) {
        try {
          return await this.#openOn(host);
        } catch (error) {
          failures.push(error);
        }
      }
      const why = failures.map(reasonOf).join('; ');
      if (this.#ledgerId === undefined && failures.every(isFinal)) throw this.#fail(why);
      if (why !== toldWhy) this.#observer.waiting(`the ledger cannot be opened yet: ${why}`, 'database unreachable');
      toldWhy = why;
      await delay(pauseMs);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
    throw stoppedBeforeOpen();
  }

  async #openOn(host: string): Promise<Session> {
    const { signal } = this.#closing;
    const session = await Session.open(host, signal);
    const release = session.abandonOn(signal);
    try {
      signal.throwIfAborted();
      this.#requireNewest(session);
      const prepared = this.#ledgerId === undefined ? await prepareLedger(session, this.#place) : undefined;
      this.#isNew ||= prepared?.isNew ?? false;
      const end = await confirmInTime(session);
      this.#follow(session, end);
      this.#found = { url: host, times: (this.#found?.times ?? 0) + 1 };
      this.#current = session;
      const isNew = prepared !== undefined && this.#isNew;
      this.#observer.opened({ ...end, where: this.#place.name, isNew, bytes: prepared?.bytes });
      session.onLost((error) => this.#giveUp(session, error));
      return session;
    } catch (error) {
      session.abandon();
      throw asRefusal(error, session.server);
    } finally {
      release();
    }
  }

  #requireNewest({ state, server, timeline }: Session): void {
    requireDurable(state, server);
    const newest = this.#position.timeline;
    if (timeline >= newest) return;
    throw new NotPrimary(
      `${server} is an old primary (timeline ${timeline}, but ${newest} was seen); stop it, and keep it stopped, ` +
        'or restart this server if the database was copied to a new one, as in a major upgrade',
    );
  }

  /** Continues with the ledger of this session. Throws if it is another one, or an older copy. */
  #follow(session: Session, end: ConfirmedLedger): void {
    const { server, state } = session;
    if (this.#ledgerId !== undefined && this.#ledgerId !== end.ledgerId) {
      throw new LedgerRefused(
        `${server} has ledger ${end.ledgerId}, but ${this.#ledgerId} was served; put that one back, or restart this ` +
          'server if another ledger was moved there on purpose',
      );
    }
    const isNewTimeline = end.timeline !== this.#position.timeline;
    this.#position.advance(server, end);
    this.#ledgerId = end.ledgerId;
    session.ledgerId = end.ledgerId;
    if (isNewTimeline) for (const warning of warningsOf(state, server)) this.#observer.warning(warning);
  }

  /** Warns once. */
  #warnIfShared({ isShared, server }: Session): void {
    if (!isShared || this.#toldShared) return;
    this.#toldShared = true;
    this.#observer.warning(
      `${server} runs the transactions of one connection on several backends, as a pooler in transaction mode does: ` +
        'every write is as durable, but slower; connect directly, or use a pooler in session mode',
    );
  }

  #fail(why: string): OrderError {
    const failure = ledgerUnusable(new LedgerRefused(why));
    this.#observer.failed(failure);
    return failure;
  }
}

/** Whether an operator has to act, so that no retry helps. */
function isFinal(error: unknown): boolean {
  return error instanceof LedgerRefused || error instanceof NotPrimary;
}

function asRefusal(error: unknown, server: string): unknown {
  const state = sqlState(error) ?? '';
  if (MUST_NOT_NUMBER.test(state)) return new LedgerRefused(`${server}: ${reasonOf(error)}`);
  const lacking = asLacking(error, server);
  if (lacking) return lacking;
  if (state === INSUFFICIENT_PRIVILEGE || state === UNDEFINED_FUNCTION) {
    return new LedgerRefused(
      `${server} does not let this role allocate (${reasonOf(error)}); run the GRANTs that order-numbers migrate --print ends with`,
    );
  }
  return error;
}

/** Every caller that awaits the session sees its rejection. */
function ignore(): void {}
