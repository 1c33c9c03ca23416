import type { IncomingMessage } from 'node:http';
import type { Answer } from '../core/calls/batch-call.ts';
import { summaryOf } from '../core/calls/answer-summary.ts';
import type { OrderError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import type { LedgerState } from '../core/ledger-state.ts';
import type { EndedBatch } from '../core/observers.ts';
import { toOrderError, verbForbidden } from '../core/refusals.ts';
import type { Peer } from './address.ts';
import { peerOf } from './address.ts';
import type { CallFields } from './calls/call-log.ts';
import { callLine, cut, logRefusal } from './calls/call-log.ts';
import type { Logger } from './log/log.ts';
import { STRANGER } from './log/log.ts';
import { validCertificateOf } from './security/client-certificate.ts';
import type { FailedAttempts } from './security/failed-attempts.ts';
import type { Authenticator, Credentials, Principal, Verb } from './security/principal.ts';
import type { CallTracer } from './tracing/call-tracer.ts';
import type { SpanIds, TraceHeaders } from './tracing/trace-headers.ts';
import { remoteParentOf, traceHeadersOf } from './tracing/trace-headers.ts';

/** A call that took longer than this is logged. */
const SLOW_CALL_MS = 1000;

/** Is told of every call that ended, for metrics; returns immediately and never throws. */
export interface CallObserver {
  /** `transport` and the method's name are from short fixed lists, `ms` is from the call's arrival to its answer. */
  ended(transport: 'grpc' | 'http', method: CalledMethod, result: 'OK' | Reason, ms: number): void;
  /** So many requests of a call that has several ended with this result. */
  requestsEnded(transport: 'grpc' | 'http', result: 'OK' | Reason, requests: number): void;
}

/** The log, the metrics and the traces that record calls. */
export interface CallRecords {
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** Absent if the server sends no traces. */
  readonly tracer?: CallTracer;
  /** Explains refusals, if given. */
  readonly state?: LedgerState;
}

/** What every door needs. */
export interface DoorContext extends CallRecords {
  readonly authenticator: Authenticator;
  readonly failedAttempts: FailedAttempts;
}

/** How one transport identifies its callers. */
export interface Transport<Source> {
  readonly name: 'grpc' | 'http';
  peerOf(source: Source): Peer;
  /** The open connection of the call: one object for all of its calls. */
  connectionOf(source: Source): object;
  /** The credentials of the call. */
  credentialsOf(source: Source): Credentials;
  /** The trace that the call belongs to, if its caller said so. */
  traceOf(source: Source): TraceHeaders | undefined;
}

/** Calls that are requests of HTTP. */
export const HTTP: Transport<IncomingMessage> = {
  name: 'http',
  peerOf: ({ socket }) => peerOf(socket),
  connectionOf: ({ socket }) => socket,
  credentialsOf: ({ headers, socket }) => ({
    authorization: headers.authorization,
    certificate: () => validCertificateOf(socket),
  }),
  traceOf: ({ headers }) => traceHeadersOf(headers),
};

/** A method, as metrics and log have it. */
export interface CalledMethod {
  readonly name: string;
  /** The verb that its callers need; `none` if valid credentials are enough. */
  readonly verb: Verb | 'none';
  /** Whether it writes: after an unexpected error its outcome is unknown. */
  readonly writes?: boolean;
  /** Whether a call has several requests, and may be as large as that takes. */
  readonly isBatch?: boolean;
}

/** The one way in for the calls of a method, on either transport: every call enters by `begin` and ends once. */
export class CallDoor<Source> {
  readonly transport: Transport<Source>;
  readonly method: CalledMethod;
  readonly context: DoorContext;
  /** The path of the method, with its slash. */
  readonly path: string;

  constructor(transport: Transport<Source>, method: CalledMethod, context: DoorContext, path: string) {
    this.transport = transport;
    this.method = method;
    this.context = context;
    this.path = path;
  }

  /** `source` is the transport's own call. */
  begin(source: Source): Call<Source> {
    return new Call(this, source);
  }
}

/**
 * A call that has come in. It ends with `answered`, `refused` or `streamed`, after its answer has left: that it is
 * counted and logged costs its caller no time.
 */
class Call<Source> {
  readonly #door: CallDoor<Source>;
  readonly #source: Source;
  readonly #started = performance.now();
  #principal: Principal | undefined;
  #batch: EndedBatch | undefined;
  /** Its span, once it has ended, if it has one. */
  #span: SpanIds | undefined;

  constructor(door: CallDoor<Source>, source: Source) {
    this.#door = door;
    this.#source = source;
  }

  /**
   * Authenticates the caller. Throws an OrderError if the credentials are missing, invalid or do not allow the method.
   * The method itself checks the stores, with `requireStore`.
   */
  admit(): void {
    const { transport, method, context } = this.#door;
    const principal = context.authenticator.authenticate(transport.credentialsOf(this.#source));
    this.#principal = principal;
    context.failedAttempts.trust(transport.connectionOf(this.#source));
    if (method.verb === 'none' || principal.verbs.has(method.verb)) return;
    throw verbForbidden(principal.name, method.verb, method.name);
  }

  /**
   * The caller of an admitted call. A message may arrive long after the credentials: if they have ended by then, they
   * are checked again, and this throws as `admit` does.
   */
  get principal(): Principal {
    if (!this.#principal) throw new Error('a call was not admitted');
    if (this.#principal.ended?.aborted) this.admit();
    return this.#principal;
  }

  /** The key for a fair queue: the name of the principal, or the connection if it has no name. */
  get origin(): string {
    return this.principal.name || this.#door.transport.peerOf(this.#source).name;
  }

  /** The refusal that tells the caller about a thrown error. */
  refusalOf(thrown: unknown): OrderError {
    const { method, context } = this.#door;
    const error = toOrderError(thrown, method.writes ?? false);
    return context.state?.explain(error) ?? error;
  }

  /** Names the batch of the ledger that had the request of the call, or the last one that had requests of it. */
  numberedIn(batch: EndedBatch | undefined): void {
    this.#batch = batch;
  }

  /** Logs a call that was slow; at the level debug, every call. */
  answered(fieldsOf: () => CallFields): void {
    const { logger } = this.#door.context;
    const ms = this.#end('OK', fieldsOf);
    if (ms >= SLOW_CALL_MS) logger.warn(this.#line(fieldsOf(), ms), 'slow call');
    else if (logger.isLevelEnabled('debug')) logger.debug(this.#line(fieldsOf(), ms), 'answered');
  }

  /**
   * Counts each request of a call that has several. One line has all that were refused, at the level of the worst.
   */
  answeredEach(answers: readonly Answer[]): void {
    const { transport, context } = this.#door;
    const { counts, worst } = summaryOf(answers);
    for (const [result, requests] of counts) context.observer.requestsEnded(transport.name, result, requests);
    const fields = Object.fromEntries(Array.from(counts, ([result, requests]) => [result, String(requests)]));
    if (!worst) return this.answered(() => fields);
    const ms = this.#end('OK', () => fields);
    logRefusal(context.logger, worst, this.#line({ ...fields, reason: worst.reason }, ms));
  }

  /** Logs at the level error if an operator should look, and at info if the caller made a mistake. */
  refused(error: OrderError, fields: CallFields = {}, marks: object = {}): void {
    const all = { ...fields, ...error.fields };
    const ms = this.#end(error.reason, () => all);
    logRefusal(this.#door.context.logger, error, { ...this.#line(all, ms), ...marks, reason: error.reason });
  }

  /**
   * Records that the call was not admitted. Returns whether its connection must end, because too many authentications
   * from its address have failed; such a call is neither logged nor traced.
   */
  turnedAway(error: OrderError): boolean {
    if (error.reason !== 'TOKEN_INVALID') {
      this.refused(error);
      return false;
    }
    const { transport, context } = this.#door;
    const { isOverLimit, unlogged, network } = context.failedAttempts.add(transport.peerOf(this.#source).host);
    if (isOverLimit) this.#end(error.reason);
    else this.refused(error, unlogged > 0 ? { unlogged: String(unlogged) } : {}, { [STRANGER]: network });
    return isOverLimit && !context.failedAttempts.isTrusted(transport.connectionOf(this.#source));
  }

  /** Logs the end of a stream at the level debug; a long one is not a slow call. */
  streamed(result: 'OK' | 'CANCELLED', fields: CallFields): void {
    const ms = this.#end(result, () => fields);
    this.#door.context.logger.debug(this.#line(fields, ms), 'ended');
  }

  /** Logs an error that kept the call from ending properly. */
  failed(error: unknown, message: string): void {
    this.#door.context.logger.error({ method: this.#door.method.name, err: error }, message);
  }

  /** Counts the call, and traces it if `fieldsOf` is given. Returns how long it took. */
  #end(result: 'OK' | Reason, fieldsOf?: () => CallFields): number {
    const { transport, method, path, context } = this.#door;
    const ms = performance.now() - this.#started;
    context.observer.ended(transport.name, method, result, ms);
    if (context.tracer && fieldsOf)
      this.#span = context.tracer.ended({
        transport: transport.name,
        path,
        result,
        startedAt: this.#started,
        headers: transport.traceOf(this.#source),
        host: transport.peerOf(this.#source).host,
        caller: this.#principal?.name ?? '',
        batch: this.#batch,
        fieldsOf: () => cut(fieldsOf()),
      });
    return ms;
  }

  #line(fields: CallFields, ms: number) {
    const { transport, method } = this.#door;
    const span = this.#span ?? remoteParentOf(transport.traceOf(this.#source));
    const peer = transport.peerOf(this.#source).name;
    return callLine({ method: method.name, caller: this.#principal?.name ?? '', ms, peer, span }, fields);
  }
}

export type { Call };
