import type { OrderError } from '../errors.ts';
import type { Logger } from '../log.ts';

/** A caller's value may be as long as a message; the log has no use for more than its beginning. */
const MOST_CHARACTERS = 128;

/** What every method says of a call for the log. */
interface Described<Request> {
  readonly name: string;
  describe(request: Request): Record<string, string>;
}

export function describeCall<Request>(method: Described<Request>, request: Request, ms: number) {
  return { method: method.name, ...cut(method.describe(request)), ms: Math.round(ms * 10) / 10 };
}

/** One line for a call that failed: an error where somebody has to look, information where a caller erred. */
export function logRefusal(logger: Logger, call: object, error: OrderError): void {
  const line = { ...call, ...cut(error.fields), reason: error.reason };
  if (error.cause === undefined && error.reason !== 'INTERNAL') logger.info(line, error.message);
  else logger.error({ ...line, err: error.cause }, error.message);
}

function cut(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, MOST_CHARACTERS)]));
}
