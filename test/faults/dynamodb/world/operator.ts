import type { RunRecord } from '../../seeded/run-record.ts';
import type { Account, Refusal } from '../table/account.ts';
import { NOBODY } from '../table/simulated-client.ts';
import type { PlannedEvent } from './plan.ts';
import type { Servers } from './servers.ts';

/** How often an older copy is tried, and how long after the last time. */
const ATTEMPTS = 20;
const AGAIN_MS = 100;

/** What an operator, and AWS, do to the table as a whole, one thing at a time. */
export class Operator {
  readonly #account: Account;
  readonly #servers: Servers;
  readonly #record: RunRecord;
  #isBusy = false;

  constructor(account: Account, servers: Servers, record: RunRecord) {
    this.#account = account;
    this.#servers = servers;
    this.#record = record;
  }

  get isDone(): boolean {
    return !this.#isBusy;
  }

  disturb(event: PlannedEvent): void {
    if (event.what === 'aim') this.#servers.fates.aim(event.kind, event.fault);
    if (event.what === 'denied' || event.what === 'throttled' || event.what === 'writes throttled') {
      this.#refuse(event.what, event.ms);
    }
    if (event.what === 'table gone') this.#remove(event.ms);
    if (event.what === 'older copy') this.#replaceLater(event.goneMs, event.ms, ATTEMPTS);
  }

  #refuse(refusal: Refusal, ms: number): void {
    if (this.#isBusy) return;
    this.#begin(refusal);
    this.#account.refusal = refusal;
    this.#after(ms, () => {
      this.#account.refusal = undefined;
      this.#isBusy = false;
    });
  }

  #remove(ms: number): void {
    if (this.#isBusy || !this.#areAllOpen) return;
    this.#begin('table gone');
    this.#servers.isHeld = true;
    this.#account.remove();
    this.#after(ms, () => this.#putBack());
  }

  /** As soon as nothing else happens to the table, and all servers know it. */
  #replaceLater(goneMs: number, ms: number, attempts: number): void {
    if (this.#replace(goneMs, ms) || attempts === 1) return;
    this.#after(AGAIN_MS, () => this.#replaceLater(goneMs, ms, attempts - 1));
  }

  /** Takes the table away, puts an older copy in its place, takes that away again, and puts the table back. */
  #replace(goneMs: number, ms: number): boolean {
    const copiedMs = this.#olderThanAll();
    if (this.#isBusy || copiedMs === undefined) return false;
    this.#begin('older copy');
    this.#servers.isHeld = true;
    const copy = this.#account.table.copy(copiedMs);
    this.#account.remove();
    this.#after(goneMs, () => this.#account.replace(copy));
    this.#after(goneMs + ms, () => this.#account.remove());
    this.#after(goneMs + ms + goneMs, () => this.#putBack());
    return true;
  }

  /** A server that has not opened the ledger yet cannot know which table is the right one. */
  get #areAllOpen(): boolean {
    const { listening, areAllUp } = this.#servers;
    return areAllUp && listening.every(({ ledger }) => ledger.lastOrderId > 0n);
  }

  /** A time before the last entry that each of the servers has seen; undefined if there is none. */
  #olderThanAll(): number | undefined {
    if (!this.#areAllOpen) return undefined;
    const seen = this.#servers.listening.map(({ ledger }) => ledger.lastOrderId);
    const least = seen.reduce((a, b) => (a < b ? a : b));
    const put = this.#account.puts.find(({ lastOrderId }) => lastOrderId >= least);
    return put && put.position > 1 ? put.ms - 0.01 : undefined;
  }

  #putBack(): void {
    this.#account.putBack();
    this.#servers.isHeld = false;
    this.#isBusy = false;
  }

  #begin(fault: string): void {
    this.#isBusy = true;
    this.#record.injected(fault);
  }

  #after(ms: number, run: () => void): void {
    this.#servers.clock.after(ms, run, NOBODY);
  }
}
