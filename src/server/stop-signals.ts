import type { Log } from './log/log.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Signals this close together are one request: make, npm and a terminal each pass a signal on to all they started. */
const ECHO_MS = 500;
/**
 * Most echoes come sooner. One that comes while Node.js lets go of the signals, at its very end, would kill the
 * process.
 */
const LINGER_MS = 50;

/**
 * Resolves to the first signal that asks the process to stop; a later one, unless it is an echo, kills the process.
 * SIGHUP is not one of them if it asks for a reload.
 */
export function stopSignals(log: Log, hangupStops = true): Promise<NodeJS.Signals> {
  const first = Promise.withResolvers<NodeJS.Signals>();
  let isForced = false;
  onSignals(
    SIGNALS.filter((name) => name !== 'SIGHUP' || hangupStops),
    first.resolve,
    (signal) => {
      // More signals may come while this one is handled.
      if (isForced) return;
      isForced = true;
      log.logger.warn({ signal }, 'forced to stop: calls in flight get no answer');
      void endAtOnce(log);
    },
  );
  return first.promise;
}

/** From now on SIGHUP only calls the listeners that are passed to the returned function. */
export function hangupCalls(): (listener: () => void) => void {
  const listeners: (() => void)[] = [];
  process.on('SIGHUP', () => listeners.forEach((listener) => listener()));
  return (listener) => void listeners.push(listener);
}

/** Calls `stop` at the first signal; a later one, unless it is an echo, ends the process as if nothing listened. */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void, names: readonly NodeJS.Signals[] = SIGNALS): void {
  onSignals(names, stop, (signal) => {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function onSignals(
  names: readonly NodeJS.Signals[],
  first: (signal: NodeJS.Signals) => void,
  later: (signal: NodeJS.Signals) => void,
): void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      // Keeps the process, and so its handlers.
      setTimeout(() => {}, LINGER_MS);
      first(signal);
    } else if (performance.now() - firstAt >= ECHO_MS) later(signal);
  };
  for (const name of names) process.on(name, onSignal);
}

/**
 * Ends the process whatever it is doing. process.exit would wait for a thread that waits for a disk; the ledger
 * survives this.
 */
export async function endAtOnce(log: Log): Promise<void> {
  await log.end();
  process.kill(process.pid, 'SIGKILL');
}
