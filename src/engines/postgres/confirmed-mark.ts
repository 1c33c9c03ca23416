import { settledWithin } from '../../settled-within.ts';

/** Where a ledger ended at some moment: its last order_id, and how many transactions had written to it. */
export interface LedgerPoint {
  readonly lastOrderId: bigint;
  readonly version: bigint;
}

/**
 * Up to where everything is known to survive a failover. Other sessions can see a commit that no standby has: after a
 * crash of the primary, or where somebody cancelled its wait. Nothing beyond this mark is shown to anybody.
 *
 * Each write of this server that was confirmed raises it, because a commit is confirmed with everything before it. A
 * reader who saw more waits for the write under way, or for a small one that all readers who wait share.
 */
export class ConfirmedMark {
  readonly #confirm: () => Promise<LedgerPoint>;
  #point: LedgerPoint = { lastOrderId: 0n, version: 0n };
  #underWay: Promise<LedgerPoint> | undefined;

  /** `confirm` is the small write: it raises nothing by itself. */
  constructor(confirm: () => Promise<LedgerPoint>) {
    this.#confirm = confirm;
  }

  get lastOrderId(): bigint {
    return this.#point.lastOrderId;
  }

  raise({ lastOrderId, version }: LedgerPoint): void {
    if (version > this.#point.version) this.#point = { lastOrderId, version };
  }

  /** Takes part in a write of this server: whoever waits for the mark waits for this one first. */
  async follow<Written extends LedgerPoint>(write: Promise<Written>): Promise<Written> {
    this.#underWay = write;
    try {
      const written = await write;
      this.raise(written);
      return written;
    } finally {
      if (this.#underWay === write) this.#underWay = undefined;
    }
  }

  /** Resolves to true as soon as the mark is there; to false where a write fails, or after `withinMs`. */
  async covers(needed: Partial<LedgerPoint>, withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (!this.#isAt(needed)) {
      const write = this.#underWay ?? this.follow(this.#confirm());
      let hasFailed = false;
      const written = write.catch(() => (hasFailed = true));
      if (!(await settledWithin(end - performance.now(), written)) || hasFailed) return false;
    }
    return true;
  }

  #isAt({ lastOrderId = 0n, version = 0n }: Partial<LedgerPoint>): boolean {
    return this.#point.lastOrderId >= lastOrderId && this.#point.version >= version;
  }
}
