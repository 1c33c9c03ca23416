import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './config.ts';

export type { Logger } from 'pino';

/** The log of a process. */
export interface Log {
  readonly logger: Logger;
  /** Ends the log; resolves when every line is written, or after a moment where nobody takes them. */
  end(): Promise<void>;
}

/** What a hanging reader or disk behind standard output may cost at the end. */
const END_MS = 500;

/**
 * Logs to standard output: JSON lines, or text where a person reads along. Writes do not block the event
 * loop, so a slow disk or reader behind standard output delays no call.
 */
export function createLog(level: LogLevel): Log {
  const stream = process.stdout.isTTY
    ? pretty({ colorize: true, ignore: 'pid,hostname', sync: true })
    : pino.destination({ dest: 1, sync: false });
  return {
    logger: pino({ level }, stream),
    async end() {
      const ended = once(stream, 'close');
      stream.end();
      await Promise.race([ended, delay(END_MS, undefined, { ref: false })]);
    },
  };
}
