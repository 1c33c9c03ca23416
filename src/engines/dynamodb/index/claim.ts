import { setTimeout as delay } from 'node:timers/promises';
import { META, TAKEN_OVER } from '../table/keys.ts';
import type { Table } from '../table/table.ts';

/** The server that holds it counts up this often. */
const RENEW_MS = 500;
/** A claim that was not renewed for this long is free. */
const STALE_MS = 2000;

/**
 * Decides which server writes what another one has left: the one that counted up last, as long as it goes on counting.
 * A hint, never a promise: it keeps the servers from all writing the same, and two at once do no harm.
 */
export class Claim {
  readonly #table: Table;
  /** As it was seen last. */
  #count: bigint | undefined;
  #othersAt = -Infinity;
  #isHeld = false;
  #isRenewing = false;

  constructor(table: Table) {
    this.#table = table;
  }

  /** META has this count. */
  saw(count: bigint | undefined): void {
    if (this.#isHeld || count === this.#count) return;
    this.#count = count;
    this.#othersAt = performance.now();
  }

  /** Whether no other server holds it, as far as this one knows. */
  get isFree(): boolean {
    return performance.now() - this.#othersAt > STALE_MS;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Resolves to whether this server holds it now, until it is released or lost. */
  async take(): Promise<boolean> {
    this.#isHeld = await this.#countUp();
    if (this.#isHeld && !this.#isRenewing) void this.#renew();
    return this.#isHeld;
  }

  release(): void {
    this.#isHeld = false;
  }

  async #renew(): Promise<void> {
    this.#isRenewing = true;
    await delay(RENEW_MS, undefined, { ref: false });
    while (this.#isHeld) {
      // A table that refuses this count refuses those of other servers, too.
      const isOwn = await this.#countUp().catch(() => true);
      if (!isOwn) this.#isHeld = false;
      await delay(RENEW_MS, undefined, { ref: false });
    }
    this.#isRenewing = false;
  }

  async #countUp(): Promise<boolean> {
    const next = (this.#count ?? 0n) + 1n;
    if (!(await this.#table.raise(META, TAKEN_OVER, this.#count, next))) return false;
    this.#count = next;
    return true;
  }
}
