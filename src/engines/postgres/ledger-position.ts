import { settledWithin } from '../../core/settled-within.ts';

/** Where a ledger ended at some moment: its last order_id, and how many transactions had written to it. */
export interface LedgerPoint {
  readonly lastOrderId: bigint;
  readonly version: bigint;
  /** Rises with every promotion: from there on the ledger is another one than what the old primary may still show. */
  readonly timeline: number;
}

/** What a reader saw: up to some order_id, or some version. */
export type SeenPoint = Pick<LedgerPoint, 'timeline'> & Partial<LedgerPoint>;

/**
 * Up to where everything is known to survive a failover. Other sessions can see a commit that no standby has: after a
 * crash of the primary, or where somebody cancelled its wait. Nothing beyond this mark is shown to anybody.
 *
 * Each write of this server that was confirmed raises it, because a commit is confirmed with everything before it. A
 * reader who saw more waits for the write under way, or for a small one that all readers who wait share.
 */
export class LedgerPosition {
  readonly #confirm: () => Promise<LedgerPoint>;
  #point: LedgerPoint = { lastOrderId: 0n, version: 0n, timeline: 0 };
  #underWay: Promise<LedgerPoint> | undefined;

  /** `confirm` is the small write: it raises nothing by itself. */
  constructor(confirm: () => Promise<LedgerPoint>) {
    this.#confirm = confirm;
  }

  get lastOrderId(): bigint {
    return this.#point.lastOrderId;
  }

  /** Of the primary in use, as far as this process knows. */
  get timeline(): number {
    return this.#point.timeline;
  }

  raise({ lastOrderId, version, timeline }: LedgerPoint): void {
    const current = this.#point.timeline;
    if (timeline < current || (timeline === current && version <= this.#point.version)) return;
    this.#point = { lastOrderId, version, timeline };
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

  /**
   * Resolves to true as soon as the mark is there; to false where a write fails, after `withinMs`, or where the primary
   * is not the one that this was seen on: then there may be something else in its place.
   */
  async covers(needed: SeenPoint, withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (!this.#isAt(needed)) {
      if (needed.timeline < this.#point.timeline) return false;
      const write = this.#underWay ?? this.follow(this.#confirm());
      let hasFailed = false;
      const written = write.catch(() => (hasFailed = true));
      if (!(await settledWithin(end - performance.now(), written)) || hasFailed) return false;
      if (needed.timeline !== this.#point.timeline) return false;
    }
    return true;
  }

  #isAt({ lastOrderId = 0n, version = 0n, timeline }: SeenPoint): boolean {
    const point = this.#point;
    return point.timeline === timeline && point.lastOrderId >= lastOrderId && point.version >= version;
  }
}
