import { setTimeout as delay } from 'node:timers/promises';
import { META, TAKEN_OVER } from '../table/keys.ts';
import type { Table } from '../table/table.ts';

/** The server that has it counts up this often. */
const RENEW_MS = 500;
/** A claim that was not renewed for so long is nobody's. */
const STALE_MS = 2000;

/**
 * Which of the servers writes what another one has left: the one that has counted up last, as long as it goes on with
 * that. A hint, never a promise: it saves writing everything as often as there are servers, and two at once do no harm.
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

  /** Whether no other server has it, as far as this one knows. */
  get isFree(): boolean {
    return performance.now() - this.#othersAt > STALE_MS;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Resolves to whether this server has it now, until it is released or lost. */
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
      // A table that takes no count takes none of another server either.
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
