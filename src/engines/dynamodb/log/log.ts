import { LedgerRefused, OrderError } from '../../../core/errors.ts';
import type { ClosedReason } from '../../../core/ledger-state.ts';
import type { LedgerObserver } from '../../../core/observers.ts';
import { settledWithin } from '../../../core/settled-within.ts';
import { ledgerReopening, ledgerUnusable, stoppedBeforeOpen } from '../../../core/refusals.ts';
import { BackOff } from '../table/back-off.ts';
import { explain, failureOf, reasonOf } from '../table/failures.ts';
import type { Head, LedgerView } from './ledger-view.ts';
import { OpenLog } from './open-log.ts';
import type { LedgerPlace } from './opening.ts';
import { readLedger } from './opening.ts';
import { requireServed } from './served.ts';
import { TurnTaking } from './turn-taking.ts';
import type { Write } from './write.ts';
import { Abandoned, NotPut } from './write.ts';

/** Between two warnings. */
const WARN_MS = 60_000;
/** How long a server that stops waits until its last entries have their derived items. */
const CLOSE_MS = 1000;

/**
 * The log of a ledger, the only place where numbers are created: the entry at each position is written once, by the
 * server that is first. When the table fails, this opens it again, and accepts no other ledger and no older copy.
 */
export class Log {
  readonly #place: LedgerPlace;
  readonly #observer: LedgerObserver;
  readonly #onEnd: (lastOrderId: bigint) => void;
  readonly #turns = new TurnTaking(crypto.randomUUID());
  #open: OpenLog | undefined;
  #warnedAt = -Infinity;
  #opening: Promise<OpenLog>;
  /** The end of the log as it was seen last, whatever became of the table. */
  #saw: Head | undefined;
  /** The last write, until it is settled. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();

  /** Starts to open the log. `onEnd` is told when its end has moved. */
  constructor(place: LedgerPlace, observer: LedgerObserver, onEnd: (lastOrderId: bigint) => void) {
    this.#place = place;
    this.#observer = observer;
    this.#onEnd = onEnd;
    this.#opening = this.#openUntilDone();
    this.#opening.catch(ignore);
  }

  /** Resolves when the log is open, and no write is in progress whose outcome is not known. */
  async ready(): Promise<void> {
    await this.#turn.catch(ignore);
    await this.#opening;
  }

  /** The view as it is known, of a table that is still the one that was served. */
  proven(): Promise<LedgerView> {
    return this.#after((log) => log.prove());
  }

  /** The view with everything in it that was in the log when this was called. */
  current(): Promise<LedgerView> {
    return this.#after((log) => log.catchUp());
  }

  /** Runs one write at a time, in order. If its outcome is not known, it rejects, and the log is opened again. */
  write<Answer>(write: Write<Answer>): Promise<Answer> {
    const work = async () => {
      for (;;) {
        const log = await this.#opening;
        if (write.isAbandoned()) throw new Abandoned('the write was given up before it began');
        try {
          return await log.write(write);
        } catch (error) {
          if (error instanceof Abandoned) throw error;
          this.#reopen(log, error);
          // A write that was not sent is done on the reopened log.
          if (!(error instanceof NotPut) || this.#closing.signal.aborted) throw error;
        }
      }
    };
    const answer = this.#turn.then(work, work);
    answer.catch(ignore);
    this.#turn = answer;
    return answer;
  }

  /** Resolves when the derived items of the whole log are written. */
  async indexed(): Promise<void> {
    await (await this.#opening).indexed();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    // Otherwise another server has to do it.
    if (this.#open) await settledWithin(CLOSE_MS, this.#open.ownIndexed());
    this.#open?.close();
    this.#open = undefined;
    await this.#turn.catch(ignore);
    // It may have opened meanwhile.
    const log = await this.#opening.catch(ignore);
    log?.close();
  }

  async #after(step: (log: OpenLog) => Promise<unknown>): Promise<LedgerView> {
    const log = this.#shown();
    try {
      await step(log);
    } catch (error) {
      // A write goes on with its entry until that is settled.
      if (!log.isWriting) this.#reopen(log, error);
      throw error instanceof OrderError ? error : ledgerReopening(error);
    }
    if (this.#shown() !== log) throw ledgerReopening();
    return log.view;
  }

  #shown(): OpenLog {
    if (!this.#open || this.#open.isUnsettled) throw ledgerReopening();
    return this.#open;
  }

  /** Forgets what is known of the log, and reads it again. */
  #reopen(log: OpenLog, why: unknown): void {
    if (this.#open !== log) return;
    this.#open = undefined;
    log.close();
    this.#observer.waiting(`closed the log (${reasonOf(why)}); opening it again`, closedReason(why));
    this.#opening = this.#openUntilDone();
    this.#opening.catch(ignore);
  }

  /** Tries until the log is open. Until it was open once, what only an operator can change is final. */
  async #openUntilDone(): Promise<OpenLog> {
    let toldWhy: string | undefined;
    const { signal } = this.#closing;
    const backOff = new BackOff();
    for (; !signal.aborted; await backOff.pause(signal)) {
      try {
        return await this.#openOnce();
      } catch (error) {
        if (signal.aborted) break;
        const why = explain(this.#place.name, error);
        if (this.#saw === undefined && isFinal(error)) throw this.#fail(why);
        if (why !== toldWhy) this.#observer.waiting(`the ledger cannot be opened yet: ${why}`, closedReason(error));
        toldWhy = why;
      }
    }
    throw stoppedBeforeOpen();
  }

  async #openOnce(): Promise<OpenLog> {
    const began = performance.now();
    const { signal } = this.#closing;
    // A request that gets no answer must not hold up the close.
    const found = await unlessAborted(signal, readLedger(this.#place, this.#saw, signal));
    const log = new OpenLog(this.#place, found, began, this.#turns, {
      followed: (view) => this.#followed(view),
      unsettled: (why) => {
        const text = `${this.#place.name} did not confirm a write (${reasonOf(why)}); asking again`;
        this.#observer.waiting(text, 'database unreachable');
      },
      settled: (view) => this.#tellOpened(view, false),
      notDerived: (why) => this.#warn(why),
    });
    try {
      requireServed(this.#place.name, log.view);
    } catch (error) {
      log.close();
      throw error;
    }
    this.#open = log;
    this.#followed(log.view);
    this.#tellOpened(log.view, found.isNew);
    return log;
  }

  /** A write of a log that was given up may end after a newer one was opened. */
  #followed({ head, lastOrderId }: LedgerView): void {
    if (this.#saw && this.#saw.position > head.position) return;
    this.#saw = head;
    this.#onEnd(lastOrderId);
  }

  /** Once a minute. */
  #warn(why: unknown): void {
    const now = performance.now();
    if (this.#closing.signal.aborted || now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    this.#observer.warning(
      `${this.#place.name} does not take what follows from the log (${reasonOf(why)}); trying again, and nothing more is ` +
        'numbered once 64 entries wait for that',
    );
  }

  #tellOpened({ genesis, lastOrderId }: LedgerView, isNew: boolean): void {
    const { ledgerId } = genesis;
    this.#observer.opened({ where: this.#place.name, ledgerId, lastOrderId, isNew, bytes: undefined });
  }

  #fail(why: string): OrderError {
    const failure = ledgerUnusable(new LedgerRefused(why));
    this.#observer.failed(failure);
    return failure;
  }
}

/** Whether an operator has to act, so that no retry helps. */
function isFinal(error: unknown): boolean {
  if (error instanceof LedgerRefused || (error instanceof OrderError && error.reason === 'LEDGER_DAMAGED')) return true;
  const failure = failureOf(error);
  return failure === 'denied' || failure === 'refused';
}

/** Why the log is closed after this failure, in words that callers may read. */
function closedReason(error: unknown): ClosedReason {
  return isFinal(error) ? 'an operator has to act' : 'database unreachable';
}

/** Rejects once the signal is aborted; the work then goes on, and its result is dropped. */
async function unlessAborted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Those who wait for it see the rejection. */
function ignore(): void {}
