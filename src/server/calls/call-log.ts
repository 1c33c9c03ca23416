import type { OrderError } from '../../core/errors.ts';
import { needsOperator } from '../../core/errors.ts';
import type { Logger } from '../log/log.ts';
import type { SpanIds } from '../tracing/trace-headers.ts';

/** A caller's value may be as long as a message; the log keeps only its beginning. */
const MAX_CHARACTERS = 128;

/** Values of a call that the log shows. */
export type CallFields = Readonly<Record<string, string>>;

/** What a line says about every call. */
export interface LoggedCall {
  readonly method: string;
  /** The name of the principal; empty if it has none. */
  readonly caller: string;
  readonly ms: number;
  /** Host and port. */
  readonly peer: string;
  /** The span that the call is, or else its caller's. */
  readonly span: SpanIds | undefined;
}

/** The fields of a call's line. */
export function callLine({ method, caller, ms, peer, span }: LoggedCall, fields: CallFields) {
  return {
    method,
    ...(caller !== '' && { caller }),
    ...cut(fields),
    ms: Math.round(ms * 10) / 10,
    peer,
    ...(span && { trace_id: span.traceId, span_id: span.spanId }),
  };
}

/** Logs at the level error if an operator should look, and at info if the caller made a mistake. */
export function logRefusal(logger: Logger, error: OrderError, line: object): void {
  if (needsOperator(error)) logger.error({ ...line, err: error.cause }, error.message);
  else logger.info(line, error.message);
}

/** The beginnings of the values. */
export function cut(fields: CallFields): CallFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, MAX_CHARACTERS)]));
}
