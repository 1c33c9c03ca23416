import type { Logger } from './log/log.ts';
import type { BatchSummary } from '../core/observers.ts';

/** The clocks of two machines may differ by less than this. */
const TOLERATED_MS = 5000;
const BETWEEN_LINES_MS = 60_000;

/**
 * Warns while create_time stands still: it never falls, so an order that was numbered while a clock was ahead holds
 * it until the clock has caught up. Logs one line per minute, and one when create_time moves again.
 */
export class ClockWatch {
  readonly #logger: Logger;
  #isHeld = false;
  #toldAt = -Infinity;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  committed({ allocated, createTimeMs }: BatchSummary): void {
    if (allocated === 0) return;
    const aheadMs = createTimeMs - Date.now();
    if (aheadMs < TOLERATED_MS) {
      if (this.#isHeld) this.#logger.info('create_time follows the clock again');
      this.#isHeld = false;
      return;
    }
    this.#isHeld = true;
    if (performance.now() - this.#toldAt < BETWEEN_LINES_MS) return;
    this.#toldAt = performance.now();
    const until = new Date(createTimeMs).toISOString();
    this.#logger.warn(
      { create_time: until, ahead_s: Math.round(aheadMs / 1000) },
      `create_time stands still at ${until}, ${inWords(aheadMs)} ahead of this clock: a clock was ahead when an order ` +
        'was numbered; numbers are not affected, and create_time moves again once the clock catches up',
    );
  }
}

function inWords(ms: number): string {
  const units = [
    ['days', 86_400_000],
    ['hours', 3_600_000],
    ['minutes', 60_000],
  ] as const;
  const [name, size] = units.find(([, length]) => ms >= 2 * length) ?? (['seconds', 1000] as const);
  return `${Math.round(ms / size)} ${name}`;
}
