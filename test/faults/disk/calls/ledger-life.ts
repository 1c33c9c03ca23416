import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../../src/core/errors.ts';
import type { LedgerObserver } from '../../../../src/core/observers.ts';
import { readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { SqliteLedger } from '../../../../src/engines/sqlite/sqlite-ledger.ts';
import { History } from '../../history/history.ts';
import { lastOrderId } from '../../history/pair.ts';
import type { CallCounts, CallFault, FaultSlot } from './fault-slots.ts';
import { LedgerCallers } from './ledger-callers.ts';

/** A service that has not answered by then does not resume. */
const PATIENCE_MS = 30_000;
/** Calls go on for this long while a fault lasts. */
const LASTING_MS = 250;
const LONGEST_CHECKPOINT_MS = 200;
const POLL_MS = 4;
/** What an observer is told when even reads have to wait. */
const CLOSED = /^(commit failed|the ledger cannot be opened yet)/;

/** Whether a lasting fault ends while the ledger runs, or between two runs of it. */
export type Healing = 'running' | 'stopped';

/**
 * The life of a ledger in this process, in the folder of a slot whose calls may fail: it is created, numbers for single
 * and combined calls, has a checkpoint, numbers again, stops, and is opened again when the disk is well. The server's
 * listeners are missing; its allocator and its engine with all threads are there.
 */
export class LedgerLife {
  readonly path: string;
  readonly history = new History();
  /** What is wrong beside what the history says, a sentence each. */
  readonly problems: string[] = [];
  /** What an operator was told, in its order. */
  readonly said: string[] = [];
  /** How many of each call were made until the ledger was stopped. */
  calls: CallCounts | undefined;
  readonly #mark: string;
  readonly #slot: FaultSlot;
  readonly #lasts: boolean;
  readonly #callers: LedgerCallers;
  #ledger: SqliteLedger | undefined;
  #isOpen = false;
  #wasOpen = false;
  #isReadable = false;
  /** Nothing but a start helps: the last opening was refused. */
  #hasEnded = false;
  #isGivenUp = false;

  /** `beside` is another name of the folder, under which no call is counted. */
  constructor(folder: string, beside: string, slot: FaultSlot, fault: CallFault | undefined) {
    this.#mark = join(beside, 'orders.db.mark');
    this.path = join(folder, 'orders.db');
    this.#slot = slot;
    this.#lasts = fault?.times === -1;
    this.#callers = new LedgerCallers(
      this.history,
      () => this.#isOpen,
      (sentence) => this.problems.push(sentence),
    );
    slot.arm(fault);
  }

  async live(healing: Healing): Promise<void> {
    await this.#start();
    await this.#number();
    if (this.#lasts && this.#slot.hits > 0) await this.#heal(healing);
    await this.#stop();
    this.calls = this.#slot.counts;
    this.#slot.heal();
    this.#callers.askStopped(this.path);
  }

  /** The calls of a life, as long as they are answered. */
  async #number(): Promise<void> {
    const ask = async (...stores: number[]) => {
      if (!this.#isGivenUp) await this.#resumes(this.#callers.ask(stores, this.#isOverdue));
    };
    await ask(7);
    await ask(8);
    await ask(7, 8, 9, 7);
    await this.#read(1n);
    await this.#changeStore();
    const written = this.#writtenAt();
    for (let i = 0; i < 6; i++) await ask(7, 10 + i);
    await this.#checkpointSince(written);
    await ask(7);
    await ask(8, 7, 9);
    await this.#read(2n);
  }

  /** A fault that lasts ends: the service goes on by itself, or once it is started again. */
  async #heal(healing: Healing): Promise<void> {
    if (this.#isGivenUp && this.said.every((why) => why === ''))
      this.problems.push('calls failed, and it did not say why');
    if (this.#hasEnded && this.#wasOpen) this.problems.push(`it gave up instead of waiting: ${this.said.at(-1)}`);
    if (healing === 'stopped') await this.#stop();
    this.#slot.heal();
    this.#isGivenUp = false;
    if (this.#hasEnded || healing === 'stopped') {
      await this.#stop();
      await this.#start();
    }
    if (this.#callers.hasAsked) await this.#resumes(this.#callers.askAgain(this.#isOverdue));
    else await this.#number();
    await this.#read(1n);
  }

  get #isFailing(): boolean {
    return this.#lasts && this.#slot.isArmed && this.#slot.hits > 0;
  }

  readonly #isOverdue = (sinceMs: number): boolean => {
    const waitedMs = performance.now() - sinceMs;
    return this.#hasEnded || waitedMs > (this.#isFailing ? LASTING_MS : PATIENCE_MS);
  };

  async #resumes(answered: Promise<boolean>): Promise<void> {
    if (await answered) {
      this.#checkMark();
      return;
    }
    this.#isGivenUp = true;
    if (!this.#isFailing) this.problems.push(`it does not go on by itself: ${this.said.at(-1)}`);
  }

  /** Starts it; a supervisor would start it again after a refusal, and a fault that came once is over then. */
  async #start(): Promise<void> {
    for (let attempt = 0; attempt < 2; attempt++) {
      this.#hasEnded = false;
      try {
        this.#ledger = new SqliteLedger(this.path, { autoCreateStores: true }, this.#observer());
        this.#callers.callOn(this.#ledger);
        const sinceMs = performance.now();
        const isWaiting = () => !this.#isOpen && !this.#isReadable && !this.#hasEnded;
        while (isWaiting() && performance.now() - sinceMs < PATIENCE_MS) await delay(POLL_MS);
      } catch (error) {
        this.#end(`it does not start: ${messageOf(error)}`);
      }
      if (!this.#hasEnded) return;
      if (this.#isFailing) break;
      await this.#stop();
    }
    this.#isGivenUp = true;
    if (!this.#isFailing) this.problems.push(`it was refused at its second start: ${this.said.at(-1)}`);
  }

  async #stop(): Promise<void> {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    this.#isOpen = false;
    this.#isReadable = false;
    try {
      await ledger?.close();
    } catch (error) {
      // The disk may fail; what was committed is there.
      if (!this.#isFailing) this.said.push(`it does not stop well: ${messageOf(error)}`);
    }
  }

  #observer(): LedgerObserver {
    return {
      opened: () => {
        this.#wasOpen = true;
        this.#become(true, true);
      },
      waiting: (why) => {
        this.said.push(why);
        this.#become(false, !CLOSED.test(why));
      },
      failed: (error) => this.#end(messageOf(error.cause)),
      lost: (why) => {
        this.problems.push(`it took its own files for others: ${why}`);
        this.#end(why);
      },
      warning: (message) => this.said.push(message),
      transaction() {},
    };
  }

  #become(isOpen: boolean, isReadable: boolean): void {
    this.#isOpen = isOpen;
    this.#isReadable = isReadable;
  }

  #end(why: string): void {
    this.said.push(why);
    this.#become(false, false);
    this.#hasEnded = true;
  }

  async #read(orderId: bigint): Promise<void> {
    const wasReadable = this.#isReadable;
    try {
      const found = await this.#ledger?.reads.getAllocation({ orderId });
      if (!wasReadable && !this.#isReadable && found) this.problems.push('a read was answered by a closed ledger');
      if (found) this.history.saw('reader', found);
    } catch {
      // As it may, while the ledger is closed or the disk fails.
      return;
    }
  }

  async #changeStore(): Promise<void> {
    if (this.#isGivenUp || !this.#ledger) return;
    const sinceMs = performance.now();
    const changed = this.#ledger.updateStore(7n, { prefix: 'W-' }).then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([changed, delay(POLL_MS, false)])) && !this.#isOverdue(sinceMs));
  }

  /** When the database was written last. */
  #writtenAt(): bigint {
    return statSync(this.path, { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? 0n;
  }

  /** Waits for a checkpoint; a fault may have kept it from beginning. */
  async #checkpointSince(written: bigint): Promise<void> {
    const sinceMs = performance.now();
    const mayCome = () =>
      !this.#isGivenUp && this.#slot.hits === 0 && performance.now() - sinceMs < LONGEST_CHECKPOINT_MS;
    while (this.#writtenAt() === written && mayCome()) await delay(POLL_MS);
  }

  /** The mark has everything that was answered, or an operator was told that it could not be written (P9). */
  #checkMark(): void {
    const answered = this.history.calls.flatMap(({ answer }) => (answer ? [lastOrderId(answer)] : []));
    const highest = answered.reduce((most, orderId) => (orderId > most ? orderId : most), 0n);
    const mark = readMark(this.#mark);
    const lastMarked = typeof mark === 'object' ? mark.lastOrderId : 0n;
    if (lastMarked >= highest || this.said.some((why) => /high-water mark could not be written/.test(why))) return;
    this.problems.push(`the mark is at ${lastMarked}, ${highest} was answered, and nothing was said of it`);
  }
}
