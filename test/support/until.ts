import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
/** The pause between two checks: short at first, then longer, because a check slows down what is waited for. */
const FIRST_MS = 5;
const MAX_MS = 40;

/**
 * Polls `holds` until it returns true. `what` describes what was waited for, for the message of a timeout: a function
 * can say how far it came. Free of vitest: its main process waits, too.
 */
export async function until(
  what: string | (() => string),
  holds: () => boolean | Promise<boolean>,
  longestMs = MAX_MS,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  let intervalMs = FIRST_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error(`in ${PATIENCE_MS} ms it did not come true: ${typeof what === 'string' ? what : what()}`);
    }
    await delay(intervalMs);
    intervalMs = Math.min(intervalMs * 1.3, longestMs);
  }
}
