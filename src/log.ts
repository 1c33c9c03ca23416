import { pino } from 'pino';
import type { Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './config.ts';

export type { Logger } from 'pino';

/** The log of a process, and how to write out what it still holds. */
export interface Log {
  readonly logger: Logger;
  /** Writes out every line; call it last. */
  flush(): void;
}

/**
 * Logs to standard output: JSON lines, or text where a person reads along. Writes do not block the event
 * loop, so a slow disk or reader behind standard output delays no call.
 */
export function createLog(level: LogLevel): Log {
  if (process.stdout.isTTY) {
    const stream = pretty({ colorize: true, ignore: 'pid,hostname', sync: true });
    return { logger: pino({ level }, stream), flush: () => stream.end() };
  }
  const destination = pino.destination({ dest: 1, sync: false });
  return { logger: pino({ level }, destination), flush: () => destination.flushSync() };
}
