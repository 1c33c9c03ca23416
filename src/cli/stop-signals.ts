import type { Log } from '../log.ts';

/** Resolves to the first signal that asks the process to stop; a second one ends it at once. */
export function stopSignals(log: Log): Promise<NodeJS.Signals> {
  const first = Promise.withResolvers<NodeJS.Signals>();
  let asked = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    asked++;
    first.resolve(signal);
    // A third one comes while the second is being obeyed.
    if (asked !== 2) return;
    log.logger.warn({ signal }, 'forced to stop: calls in flight get no answer');
    void endAtOnce(log);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
  return first.promise;
}

/**
 * Ends the process whatever it is doing. process.exit would wait for a thread that waits for a disk; the
 * ledger is made to survive this.
 */
export async function endAtOnce(log: Log): Promise<void> {
  await log.end();
  process.kill(process.pid, 'SIGKILL');
}
