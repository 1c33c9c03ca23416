import type { LogFn, Logger } from 'pino';
import { pino } from 'pino';
import type { LogLevel } from '../log-level.ts';
import { withoutTokens } from '../security/token-text.ts';
import { closeOutput, LogOutput, openStandardOutput } from './log-output.ts';
import { LogRepeats } from './log-repeats.ts';
import { safeJson, toText } from './log-text.ts';

export type { Logger } from 'pino';

/** The log of a process. */
export interface Log {
  readonly logger: Logger;
  /** Lines that standard output did not accept. */
  dropped(): number;
  /**
   * Ends the log: resolves when every line is written or dropped, or after a moment if nothing accepts them. False
   * means that a write still blocks on a disk, which would block the end of the process, too.
   */
  end(): Promise<boolean>;
}

/**
 * A key in the fields of a line: lines with it are always written, however often they repeat, such as store changes.
 */
export const EVERY_LINE = Symbol('every line');

/** A key of fields: the network that a call without valid credentials came from. */
export const STRANGER = Symbol('stranger');

/** How long a hanging reader or disk behind standard output may delay the end. */
const END_MS = 500;
/** Pino's number of the level debug. */
const DEBUG = 20;
/** Networks of strangers whose lines are told apart at the same time. */
const MAX_STRANGERS = 100;

/**
 * Logs to standard output: lines of JSON, or lines of text on a terminal. Nothing ever waits for it: lines that
 * cannot be written are dropped and counted.
 */
export function createLog(level: LogLevel): Log {
  const fd = openStandardOutput();
  const output = new LogOutput(fd, (dropped) =>
    log.logger.warn({ dropped }, 'some log lines were dropped, because they could not be written'),
  );
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

/** The same log, whose lines of JSON are passed to `write`. */
export function createLogTo(level: LogLevel, write: (line: string) => void): Log {
  const repeats = new LogRepeats();
  // Apart, so that strangers with many addresses hide each other at most.
  const strangers = new LogRepeats(MAX_STRANGERS);
  const logger = pino(
    {
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { logMethod: limitRepeats(repeats, strangers) },
    },
    // No line logs a token on purpose, but a caller may send one in place of anything, such as a request_id.
    { write: (line: string) => write(safeJson(withoutTokens(line))) },
  );
  return {
    logger,
    dropped: () => 0,
    async end() {
      repeats.flush();
      strangers.flush();
      return true;
    },
  };
}

/** A hook for pino. At the level debug every call has a line, so the lines of calls are not limited. */
function limitRepeats(repeats: LogRepeats, strangers: LogRepeats) {
  return function logMethod(this: Logger, args: Parameters<LogFn>, log: LogFn, level: number): void {
    const [first, second] = args as [unknown, unknown];
    const isObject = typeof first === 'object' && first !== null;
    const fields = isObject ? (first as Readonly<Record<string, unknown>>) : {};
    const message = isObject ? second : first;
    const isCall = fields['method'] !== undefined;
    if (level <= DEBUG || EVERY_LINE in fields || (isCall && this.isLevelEnabled('debug'))) {
      log.apply(this, args);
      return;
    }
    const { [STRANGER]: stranger = fields['caller'] } = fields as { readonly [STRANGER]?: unknown };
    // No caller, nor a stranger from another network, hides the lines of others.
    const kind = isCall ? [fields['method'], fields['reason'], stranger] : [message];
    (STRANGER in fields ? strangers : repeats).add({
      kind: [level, ...kind].map(String).join(' '),
      write: (suppressed) => log.call(this, suppressed > 0 ? { ...fields, suppressed } : fields, String(message)),
    });
  };
}
