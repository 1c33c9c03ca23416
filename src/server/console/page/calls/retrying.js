import { mayPass, toCallError } from './call-error.js';

/** The pause after the first failure; it doubles up to the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** A run of at least this long counts as a success: the next pause is short again. */
const STABLE_MS = 5_000;

/**
 * Runs something that should not end, such as a stream, and restarts it whenever it ends, until the signal aborts or a
 * failure cannot be fixed by retrying.
 *
 * @param {() => Promise<void>} run
 * @param {AbortSignal} signal
 * @param {(error: import('./call-error.js').CallError) => void} onFailure
 */
export async function keepRunning(run, signal, onFailure) {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const started = performance.now();
    try {
      await run();
    } catch (error) {
      if (signal.aborted) return;
      onFailure(toCallError(error));
      if (!mayPass(error)) return;
    }
    if (performance.now() - started > STABLE_MS) pauseMs = FIRST_PAUSE_MS;
    await pause(pauseMs, signal);
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}

/**
 * Resolves after a while, or at once when the signal aborts.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
