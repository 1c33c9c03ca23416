import type { OrderError } from './errors.ts';
import type { Logger } from './log.ts';

/** A caller's value may be as long as a message; the log has no use for more than its beginning. */
const MOST_CHARACTERS = 128;
/** A call that took longer than this is logged. */
const SLOW_CALL_MS = 1000;

/** What the log says of a call: its method, what it asked for, how long it took. */
export interface LoggedCall {
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly ms: number;
}

/** One line for a call that failed: an error where somebody has to look, information where a caller erred. */
export function logRefusal(logger: Logger, call: LoggedCall, error: OrderError): void {
  const line = { ...toLine(call), ...cut(error.fields), reason: error.reason };
  const isOurs = error.cause !== undefined || error.reason === 'INTERNAL' || error.reason === 'OUTCOME_UNKNOWN';
  if (isOurs) logger.error({ ...line, err: error.cause }, error.message);
  else logger.info(line, error.message);
}

/** One line for a call that was slow; none for a good one. */
export function logIfSlow(logger: Logger, ms: number, call: () => Omit<LoggedCall, 'ms'>): void {
  if (ms >= SLOW_CALL_MS) logger.warn(toLine({ ...call(), ms }), 'slow call');
}

function toLine({ method, fields, ms }: LoggedCall) {
  return { method, ...cut(fields), ms: Math.round(ms * 10) / 10 };
}

function cut(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, MOST_CHARACTERS)]));
}
