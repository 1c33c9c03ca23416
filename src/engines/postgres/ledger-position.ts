import { settledWithin } from '../../core/settled-within.ts';

/** The end of a ledger at some moment: its last order_id, and how many transactions had written to it. */
export interface LedgerPoint {
  readonly lastOrderId: bigint;
  readonly version: bigint;
  /** Rises with every promotion: from then on an old primary may show a ledger that has diverged. */
  readonly timeline: number;
}

/** What a reader saw: up to some order_id, or some version. */
export type SeenPoint = Pick<LedgerPoint, 'timeline'> & Partial<LedgerPoint>;

/** A server has an older copy of the ledger. */
export class WentBack extends Error {
  override readonly name = 'WentBack';
}

/**
 * How far this process has seen the ledger confirmed. It never falls behind that (P9), and it shows no reader anything
 * beyond it. Other sessions can see a commit that no standby has, after a crash of the primary or a cancelled wait, and a
 * failover would lose it.
 *
 * Each confirmed write of this process advances it, because a commit is confirmed with everything before it. A reader
 * that saw more waits for the write in progress, or for a small one that all waiting readers share.
 */
export class LedgerPosition {
  readonly #confirm: () => Promise<unknown>;
  #point: LedgerPoint = { lastOrderId: 0n, version: 0n, timeline: 0 };

  /** `confirm` waits for a write that advances this position, and starts one if none is in progress. */
  constructor(confirm: () => Promise<unknown>) {
    this.#confirm = confirm;
  }

  get lastOrderId(): bigint {
    return this.#point.lastOrderId;
  }

  /** The timeline of the primary in use, as far as this process knows. */
  get timeline(): number {
    return this.#point.timeline;
  }

  /** Moves on to what `server` has confirmed. Throws {@link WentBack} if that is not beyond this position. */
  advance(server: string, point: LedgerPoint): void {
    const { lastOrderId, version, timeline } = this.#point;
    // A promotion may lose what nothing had to wait for; on one timeline nothing is lost, and each write has a version.
    const isBeyond = point.timeline > timeline || (point.timeline === timeline && point.version > version);
    if (!isBeyond || point.lastOrderId < lastOrderId) {
      throw new WentBack(
        `${server} ends at order_id ${point.lastOrderId}, but ${lastOrderId} was already given: this is an older copy, ` +
          'and continuing would give numbers twice; put the newest copy back',
      );
    }
    this.#point = { lastOrderId: point.lastOrderId, version: point.version, timeline: point.timeline };
  }

  /**
   * Resolves to true as soon as everything `needed` is confirmed. Resolves to false if a write fails, after `withinMs`,
   * and if `needed` was seen on another timeline: that ledger may have had something else there.
   */
  async covers(needed: SeenPoint, withinMs: number): Promise<boolean> {
    const end = performance.now() + withinMs;
    while (!this.#isAt(needed)) {
      if (needed.timeline < this.#point.timeline) return false;
      let hasFailed = false;
      const write = this.#confirm().catch(() => (hasFailed = true));
      if (!(await settledWithin(end - performance.now(), write)) || hasFailed) return false;
      if (needed.timeline !== this.#point.timeline) return false;
    }
    return true;
  }

  #isAt({ lastOrderId = 0n, version = 0n, timeline }: SeenPoint): boolean {
    const point = this.#point;
    return point.timeline === timeline && point.lastOrderId >= lastOrderId && point.version >= version;
  }
}
