import { setTimeout as delay } from 'node:timers/promises';
import { Indexer } from '../index/indexer.ts';
import { BackOff } from '../table/back-off.ts';
import { failureOf, mayPass, NoAnswer } from '../table/failures.ts';
import type { Item } from '../table/item.ts';
import { entryItem, toEntry } from './entry-item.ts';
import { HeadProof } from './head-proof.ts';
import type { Head, LedgerView } from './ledger-view.ts';
import type { LogEntry } from './log-entry.ts';
import { entriesAfter } from './log-reader.ts';
import type { FoundLedger, LedgerPlace } from './opening.ts';
import { requireServed } from './served.ts';
import { SharedRun } from './shared-run.ts';
import type { TurnTaking } from './turn-taking.ts';
import type { Write } from './write.ts';
import { Abandoned, NotPut } from './write.ts';

/** What happens to a log while it is open. */
export interface LogListener {
  /** An entry was applied: the view has it. */
  followed(view: LedgerView): void;
  /** It is unknown whether a put that was sent is done. */
  unsettled(why: unknown): void;
  settled(view: LedgerView): void;
  /** Derived items could not be written; that is tried again. */
  notDerived(why: unknown): void;
}

/**
 * A log that is open. A method that rejects with anything but an OrderError leaves it in an unknown state, so that it
 * has to be opened again.
 */
export class OpenLog {
  readonly view: LedgerView;
  readonly #place: LedgerPlace;
  readonly #server: string;
  readonly #turns: TurnTaking;
  readonly #listener: LogListener;
  readonly #indexer: Indexer;
  readonly #proof: HeadProof;
  readonly #readings: SharedRun<boolean>;
  #isUnsettled = false;
  #isWriting = false;
  readonly #closing = new AbortController();
  #putMs = 0;

  /** `readAt` is when the reading of what was found began. */
  constructor(
    place: LedgerPlace,
    { view, tail, mark }: FoundLedger,
    readAt: number,
    turns: TurnTaking,
    listener: LogListener,
  ) {
    this.view = view;
    this.#place = place;
    this.#server = turns.server;
    this.#turns = turns;
    this.#listener = listener;
    this.#proof = new HeadProof(place.table);
    this.#proof.renew(readAt);
    this.#indexer = new Indexer(place.table, view, {
      server: turns.server,
      mark,
      prove: () => this.prove(),
      onFailure: (why) => listener.notDerived(why),
      onTurnsAsked: (times) => turns.asked(times),
    });
    this.#readings = new SharedRun(() => this.#catchUp());
    for (const entry of tail) {
      view.apply(entry);
      this.#indexer.add(entry, true);
    }
  }

  get isUnsettled(): boolean {
    return this.#isUnsettled;
  }

  /** Whether a write is in progress, which finds out by itself what has become of the table. */
  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Follows the log to the end that it has now, or to a later one. Resolves to whether the view has moved. */
  catchUp(): Promise<boolean> {
    return this.#readings.fromNow();
  }

  /** Rejects with LedgerRefused if the table is not the one that was followed so far. */
  prove(): Promise<void> {
    return this.#proof.require(this.view.head);
  }

  /** One at a time. Resolves once the answer is in the table, and nothing that it rests on can change any more. */
  async write<Answer>(write: Write<Answer>): Promise<Answer> {
    const { pauseMs } = this.#turns;
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    const hasRoom = await this.#indexer.hasRoom(() => !write.isAbandoned());
    if (!hasRoom) throw new Abandoned('the write was given up while the items of earlier entries were missing');
    // It may have been given up while this write waited: then nobody would write the items, or tell the next log.
    if (this.#closing.signal.aborted) throw new NotPut(new Error('the log was closed'));
    const pin = this.view.pin();
    this.#isWriting = true;
    try {
      await Promise.all([write.prepare(this.view, pin), this.prove()]).catch(throwNotPut);
      return await this.#append(write);
    } finally {
      this.#isWriting = false;
      pin.release();
    }
  }

  /** Resolves when the derived items of the whole log are written. */
  indexed(): Promise<void> {
    return this.#indexer.idle();
  }

  /** Resolves when those of the entries of this process are. */
  ownIndexed(): Promise<void> {
    return this.#indexer.ownIdle();
  }

  close(): void {
    this.#closing.abort();
    this.#indexer.close();
  }

  async #append<Answer>(write: Write<Answer>): Promise<Answer> {
    const { view } = this;
    for (let lostRaces = 0; ; lostRaces++) {
      requireServed(this.#place.name, view);
      // Looking up may have taken long.
      await this.prove().catch(throwNotPut);
      const { position } = view.head;
      const { change, answer, restsOnHead } = write.form(view);
      if (!change) {
        if (restsOnHead) await this.catchUp().catch(throwNotPut);
        // A reading that began before may have moved it, too.
        if (view.head.position > position && restsOnHead) continue;
        return answer;
      }
      const entry: LogEntry = {
        ...change,
        position: position + 1,
        previous: view.head.batchId,
        batchId: crypto.randomUUID(),
        server: this.#server,
        indexedTo: this.#indexer.ownIndexedTo,
        putMs: this.#putMs,
        lostRaces,
      };
      const winner = await this.#settle(entry);
      const isWon = winner.batchId === entry.batchId;
      // A reader may have seen it first.
      if (view.head.position < entry.position) this.#follow(winner);
      if (isWon) return answer;
      // Mostly nothing follows the winner yet; if it does, the others are faster, and all of it is read.
      if (lostRaces % 2 === 1) await this.catchUp().catch(throwNotPut);
      if (write.isAbandoned()) throw new Abandoned('the write was given up after a lost race');
    }
  }

  /**
   * Puts an entry until it is known which entry has its position, and resolves to that one. Until then nothing else is
   * put there, so a late copy of an earlier attempt does no harm.
   */
  async #settle(entry: LogEntry): Promise<LogEntry> {
    const item = entryItem(entry);
    const { signal } = this.#closing;
    const backOff = new BackOff();
    for (;;) {
      const began = performance.now();
      const answer = await this.#put(item);
      if (answer) {
        if (this.#isUnsettled) {
          this.#isUnsettled = false;
          this.#listener.settled(this.view);
        }
        // This very entry, if an earlier attempt was done after all.
        if (answer.found) return toEntry(answer.found, entry.position);
        this.#putMs = performance.now() - began;
        this.#proof.renew(began);
        return entry;
      }
      do {
        if (signal.aborted) throw new NoAnswer('the server stopped before the write was done');
        await backOff.pause(signal);
        // Checks the head, because an older copy of the table would take the entry.
      } while (!(await this.#isStillThere({ position: entry.position - 1, batchId: entry.previous })));
    }
  }

  /** One attempt. Undefined if it has to be repeated. */
  async #put(item: Item): Promise<{ readonly found: Item | undefined } | undefined> {
    try {
      return { found: await this.#place.table.putNew(item) };
    } catch (error) {
      const failure = failureOf(error);
      if (failure === 'unknown' && !this.#isUnsettled) {
        this.#isUnsettled = true;
        this.#listener.unsettled(error);
      }
      // Definite only if no earlier attempt may be done yet.
      if (failure !== 'unknown' && failure !== 'throttled' && !this.#isUnsettled) throw error;
      return undefined;
    }
  }

  /** Whether the head was seen. Rejects with LedgerRefused if it is gone. */
  async #isStillThere(head: Head): Promise<boolean> {
    try {
      await this.#proof.require(head);
      return true;
    } catch (error) {
      if (!mayPass(error)) throw error;
      return false;
    }
  }

  async #catchUp(): Promise<boolean> {
    const { view } = this;
    const { position } = view.head;
    await this.prove();
    for await (const entries of entriesAfter(this.#place.table, position)) {
      // What this process has seen is what the log that is open has.
      if (this.#closing.signal.aborted) throw new Error('the log was closed');
      for (const entry of entries) if (entry.position > view.head.position) this.#follow(entry);
    }
    requireServed(this.#place.name, view);
    return view.head.position > position;
  }

  #follow(entry: LogEntry): void {
    this.view.apply(entry);
    this.#indexer.add(entry, false);
    this.#turns.follow(entry);
    this.#listener.followed(this.view);
  }
}

/** Rejects with NotPut if a retry may succeed; nothing of the write is in the log. */
function throwNotPut(error: unknown): never {
  throw mayPass(error) ? new NotPut(error) : error;
}
