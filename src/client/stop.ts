/** A longer timer would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls `listener` once when one of the signals is aborted; returns a function that removes it. */
export function onStop(signals: readonly AbortSignal[], listener: () => void): () => void {
  for (const signal of signals) signal.addEventListener('abort', listener, { once: true });
  return () => {
    for (const signal of signals) signal.removeEventListener('abort', listener);
  };
}

/** The first signal that was aborted, if any. */
export function stoppedBy(signals: readonly AbortSignal[]): AbortSignal | undefined {
  return signals.find((signal) => signal.aborted);
}

/** Resolves after `ms` milliseconds, or as soon as one of the signals is aborted. */
export function pause(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(finish, Math.min(ms, MAX_TIMER_MS));
    const forget = onStop(signals, finish);
    if (stoppedBy(signals)) finish();
  });
}
