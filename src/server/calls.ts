import type { OrderError } from '../core/errors.ts';
import type { Logger } from './log/log.ts';

/** A caller's value may be as long as a message; the log has no use for more than its beginning. */
const MAX_CHARACTERS = 128;
/** A call that took longer than this is logged. */
const SLOW_CALL_MS = 1000;

/** What the log says of a call: its method, what it asked for, how long it took. */
export interface LoggedCall {
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
  /** The caller's address. */
  readonly peer: string;
  readonly ms: number;
}

/** One line for a call that failed: an error where somebody has to look, information where a caller erred. */
export function logRefusal(logger: Logger, call: LoggedCall, error: OrderError): void {
  const line = { ...toLine(call), ...cut(error.fields), reason: error.reason };
  const isOurs = error.cause !== undefined || error.reason === 'INTERNAL' || error.reason === 'OUTCOME_UNKNOWN';
  if (isOurs) logger.error({ ...line, err: error.cause }, error.message);
  else logger.info(line, error.message);
}

/** One line for a call that was slow, and at the level debug for every call; none for another good one. */
export function logAnswer(logger: Logger, ms: number, call: () => Omit<LoggedCall, 'ms'>): void {
  if (ms >= SLOW_CALL_MS) logger.warn(toLine({ ...call(), ms }), 'slow call');
  else if (logger.isLevelEnabled('debug')) logger.debug(toLine({ ...call(), ms }), 'answered');
}

/** One line for a stream that ended well, at the level debug: it may last as long as it likes. */
export function logStreamEnd(logger: Logger, call: LoggedCall): void {
  logger.debug(toLine(call), 'ended');
}

function toLine({ method, fields, peer, ms }: LoggedCall) {
  return { method, ...cut(fields), ms: Math.round(ms * 10) / 10, peer };
}

function cut(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, MAX_CHARACTERS)]));
}
