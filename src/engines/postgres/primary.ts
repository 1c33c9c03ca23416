import { setTimeout as delay } from 'node:timers/promises';
import type { OrderError } from '../../core/errors.ts';
import { LedgerRefused } from '../../core/errors.ts';
import { ledgerUnusable, stoppedBeforeOpen } from '../../core/refusals.ts';
import type { LedgerObserver } from '../../core/observers.ts';
import type { LedgerPoint } from './ledger-position.ts';
import { within } from './connection/deadline.ts';
import type { ExpectedDatabase } from './expected-database.ts';
import { prepareLedger } from './expected-database.ts';
import { asLacking, reasonOf } from './connection/failures.ts';
import { MAKE_DURABLE, NotPrimary, requireDurable, warningsOf } from './connection/server-state.ts';
import { Session } from './connection/session.ts';
import { INSUFFICIENT_PRIVILEGE, MUST_NOT_NUMBER, sqlState, UNDEFINED_FUNCTION } from './connection/sql-state.ts';

/** How long a server may take to confirm that it can write, its standby included, before others are tried. */
const CONFIRM_MS = 3000;
/** Between two rounds over all hosts: at first, and at most. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** What this process has seen of the ledger: it must never be behind that (P9). */
interface Seen extends LedgerPoint {
  readonly ledgerId: string;
}

interface ConfirmRow {
  readonly backend: number;
  readonly ledger_id: string;
  readonly last_order_id: bigint;
  readonly version: bigint;
  readonly timeline: number;
}

/** The ledger is not the one any more that this session was opened on. */
class WentBack extends Error {
  override readonly name = 'WentBack';
}

/** The one session that writes, found again wherever the primary is when it was lost. */
export class Primary {
  readonly #place: ExpectedDatabase;
  readonly #observer: LedgerObserver;
  readonly #raise: (point: LedgerPoint) => void;
  #seen: Seen | undefined;
  /** Whether this process has created the ledger, perhaps in an attempt that failed later. */
  #isNew = false;
  #toldShared = false;
  #current: Session | undefined;
  #session: Promise<Session>;
  #found: { readonly url: string; readonly times: number } | undefined;
  readonly #closing = new AbortController();

  /** Starts to look for the primary. `raise` hears of each point that a server has confirmed while it was opened. */
  constructor(place: ExpectedDatabase, observer: LedgerObserver, raise: (point: LedgerPoint) => void) {
    this.#place = place;
    this.#observer = observer;
    this.#raise = raise;
    this.#session = this.#open();
    this.#session.catch(ignore);
  }

  /** Where the primary was last, and how often one was found by now; undefined before the first time. */
  get found(): { readonly url: string; readonly times: number } | undefined {
    return this.#found;
  }

  get ledgerId(): string | undefined {
    return this.#seen?.ledgerId;
  }

  /** The session, when there is one. Rejects where an operator has to act before there can be. */
  session(): Promise<Session> {
    return this.#session;
  }

  /** Gives a session up, and looks for the primary again unless that was begun already. */
  giveUp(session: Session, why: unknown): void {
    session.abandon();
    if (this.#current !== session) return;
    this.#current = undefined;
    if (!this.#closing.signal.aborted)
      this.#observer.waiting(
        `${session.server} was lost, and the primary is looked for: ${reasonOf(why)}`,
        'database unreachable',
      );
    this.#session = this.#open();
    this.#session.catch(ignore);
  }

  /**
   * What a write of the session in use was answered with. Throws {@link WentBack} where that is behind what was seen
   * before: every write moves the ledger on, so somebody put an older copy, or another ledger, in its place.
   */
  saw(session: Session, { lastOrderId, version }: LedgerPoint): void {
    this.#warnIfShared(session);
    const seen = this.#seen;
    if (!seen) return;
    if (version <= seen.version || lastOrderId < seen.lastOrderId) {
      throw new WentBack(`${session.server} went back: it ends at order_id ${lastOrderId}, after ${seen.lastOrderId}`);
    }
    this.#seen = { ...seen, lastOrderId, version };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#current?.end();
    await this.#session.catch(ignore);
  }

  /** Tries until there is one. At start what only an operator can change is final. */
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
      if (!this.#seen && failures.every(isFinal)) throw this.#fail(why);
      if (why !== toldWhy) this.#observer.waiting(`the ledger cannot be opened yet: ${why}`, 'database unreachable');
      toldWhy = why;
      await delay(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
    throw stoppedBeforeOpen();
  }

  async #openOn(host: string): Promise<Session> {
    const { signal } = this.#closing;
    const session = await Session.open(host, signal);
    const abandon = () => session.abandon();
    signal.addEventListener('abort', abandon);
    try {
      signal.throwIfAborted();
      this.#requireNewest(session);
      const prepared = this.#seen ? undefined : await prepareLedger(session, this.#place);
      this.#isNew ||= prepared?.isNew ?? false;
      const end = await within(CONFIRM_MS, confirm(session), notConfirmed(session));
      this.#compare(session.server, end);
      session.ledgerId = end.ledgerId;
      const isKnown = session.timeline === this.#seen?.timeline;
      if (!isKnown) for (const warning of warningsOf(session.state, session.server)) this.#observer.warning(warning);
      this.#seen = end;
      this.#found = { url: host, times: (this.#found?.times ?? 0) + 1 };
      this.#raise(end);
      this.#current = session;
      const isNew = prepared !== undefined && this.#isNew;
      this.#observer.opened({ ...end, where: this.#place.name, isNew, bytes: prepared?.bytes });
      // Noticed also while nobody writes.
      session.client.on('error', (error) => this.giveUp(session, error));
      return session;
    } catch (error) {
      session.abandon();
      throw asRefusal(error, session.server);
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  #requireNewest({ state, server, timeline }: Session): void {
    requireDurable(state, server);
    if (this.#seen && timeline < this.#seen.timeline) {
      throw new NotPrimary(
        `${server} is an old primary (timeline ${timeline}, and ${this.#seen.timeline} was seen): stop it, and keep it stopped; ` +
          'or start this server again, if the database was copied to a new one, as in a major upgrade',
      );
    }
  }

  #compare(server: string, end: LedgerPoint & { readonly ledgerId: string }): void {
    const seen = this.#seen;
    if (!seen) return;
    if (end.ledgerId !== seen.ledgerId) {
      throw new LedgerRefused(
        `${server} has ledger ${end.ledgerId}, and ${seen.ledgerId} was served: put that one back, or start this server ` +
          'again where another one was moved there on purpose',
      );
    }
    // A promotion may lose what nothing had to wait for; on one timeline nothing is lost.
    const isBehind =
      end.lastOrderId < seen.lastOrderId || (end.timeline === seen.timeline && end.version <= seen.version);
    if (isBehind) {
      throw new LedgerRefused(
        `${server} ends at order_id ${end.lastOrderId}, but ${seen.lastOrderId} was already given: this is an older copy, ` +
          'and numbering on would give numbers twice; put the newest one back',
      );
    }
  }

  /** Once: every write is durable all the same, and slower. */
  #warnIfShared({ isShared, server }: Session): void {
    if (!isShared || this.#toldShared) return;
    this.#toldShared = true;
    this.#observer.warning(
      `${server} runs the transactions of one connection on several backends, as a pooler in transaction mode does: ` +
        'every write is as durable, and slower; connect directly, or use a pooler in session mode',
    );
  }

  #fail(why: string): OrderError {
    const failure = ledgerUnusable(new LedgerRefused(why));
    this.#observer.failed(failure);
    return failure;
  }
}

/** The small write: when it is answered, everything that was committed before it is confirmed. */
export async function confirm(session: Session): Promise<LedgerPoint & { readonly ledgerId: string }> {
  const [row] = await session.write<ConfirmRow>({
    text: `${MAKE_DURABLE} SELECT * FROM durable, order_numbers.confirm($1)`,
    values: [session.ledgerId],
  });
  if (!row) throw new Error('confirm() returned nothing');
  session.ranOn(row.backend);
  return { ledgerId: row.ledger_id, lastOrderId: row.last_order_id, version: row.version, timeline: row.timeline };
}

function notConfirmed({ server, state: { standbyNames } }: Session): string {
  const late = `${server}: a write took longer than ${CONFIRM_MS} ms to be confirmed`;
  if (standbyNames === '') return late;
  return `${late}: see in pg_stat_replication whether a standby that synchronous_standby_names (${standbyNames}) asks for is streaming`;
}

/** Whether trying again cannot help, because an operator is asked for. */
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
      `${server} does not let this role number (${reasonOf(error)}): run the GRANTs that order-numbers migrate --print ends with`,
    );
  }
  return error;
}

/** The promise's rejection is seen by whoever awaits the session. */
function ignore(): void {}
