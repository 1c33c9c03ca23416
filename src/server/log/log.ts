import type { LogFn, Logger } from 'pino';
import { pino } from 'pino';
import type { LogLevel } from '../log-level.ts';
import { closeOutput, LogOutput, openStandardOutput } from './log-output.ts';
import { LogRepeats } from './log-repeats.ts';
import { toText } from './log-text.ts';

export type { Logger } from 'pino';

/** The log of a process. */
export interface Log {
  readonly logger: Logger;
  /** Lines that standard output did not take. */
  dropped(): number;
  /**
   * Ends the log: resolves when every line is written or dropped, or after a moment if nothing takes them. False
   * means that a disk still holds a write back, which would hold back the end of the process, too.
   */
  end(): Promise<boolean>;
}

/** What a hanging reader or disk behind standard output may cost at the end. */
const END_MS = 500;
/** Pino's number of the level debug. */
const DEBUG = 20;

/**
 * Logs to standard output: JSON lines, or one line of text each when a person reads along. Nothing ever waits
 * for it: lines that cannot be written are dropped and counted.
 */
export function createLog(level: LogLevel): Log {
  const fd = openStandardOutput();
  const output = new LogOutput(fd, (dropped) => log.logger.warn({ dropped }, 'lines of the log could not be written'));
  const { isTTY } = process.stdout;
  const isColored = isTTY && process.stdout.hasColors(16);
  const log = createLogTo(
    level,
    isTTY ? (line) => output.write(toText(line, isColored)) : (line) => output.write(line),
  );
  return {
    logger: log.logger,
    dropped: () => output.dropped,
    async end() {
      await log.end();
      const isWritten = await output.end(END_MS);
      if (isWritten) closeOutput(fd);
      return isWritten;
    },
  };
}

/** The same log, whose lines of JSON go elsewhere. */
export function createLogTo(level: LogLevel, write: (line: string) => void): Log {
  const repeats = new LogRepeats();
  const logger = pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { logMethod: limitRepeats(repeats) },
    },
    { write },
  );
  return {
    logger,
    dropped: () => 0,
    async end() {
      repeats.flush();
      return true;
    },
  };
}

/** A hook for pino. Lines of a call are not limited while every call has one: at the level debug. */
function limitRepeats(repeats: LogRepeats) {
  return function logMethod(this: Logger, args: Parameters<LogFn>, log: LogFn, level: number): void {
    const [first, second] = args as [unknown, unknown];
    const isObject = typeof first === 'object' && first !== null;
    const fields = isObject ? (first as Readonly<Record<string, unknown>>) : {};
    const message = isObject ? second : first;
    const isCall = fields['method'] !== undefined;
    if (level <= DEBUG || (isCall && this.isLevelEnabled('debug'))) {
      log.apply(this, args);
      return;
    }
    const what = isCall ? `${String(fields['method'])} ${String(fields['reason'])}` : String(message);
    repeats.add({
      kind: `${level} ${what}`,
      write: (suppressed) => log.call(this, suppressed > 0 ? { ...fields, suppressed } : fields, String(message)),
    });
  };
}
