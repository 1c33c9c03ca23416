import type { OrderError } from '../core/errors.ts';
import type { Reason } from '../core/reasons.ts';
import type { LedgerState } from '../core/ledger-state.ts';
import { storeForbidden, storeMissing, toOrderError, verbForbidden } from '../core/refusals.ts';
import type { Logger } from './log/log.ts';
import type { Authenticator, Credentials, Principal, Verb } from './security/principal.ts';

/** A caller's value may be as long as a message; the log keeps only its beginning. */
const MAX_CHARACTERS = 128;
/** A call that took longer than this is logged. */
const SLOW_CALL_MS = 1000;

/** Is told of every call that ended, for metrics; returns immediately and never throws. */
export interface CallObserver {
  /** `transport` and `method` are names from short fixed lists, `ms` the time from the call's arrival to its answer. */
  ended(transport: 'grpc' | 'http', method: string, result: 'OK' | Reason, ms: number): void;
}

/** The log and the metrics that record calls. */
export interface CallRecords {
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** Explains refusals, if given. */
  readonly state?: LedgerState;
}

/** What every door needs. */
export interface DoorContext extends CallRecords {
  readonly authenticator: Authenticator;
}

/** How one transport identifies its callers. */
export interface Transport<Source> {
  readonly name: 'grpc' | 'http';
  /** The address that the call came from: another one for each open connection. */
  peerOf(source: Source): string;
  /** What the call brought to prove who made it. */
  credentialsOf(source: Source): Credentials;
}

/** A method, as metrics and log have it. */
export interface CalledMethod {
  readonly name: string;
  /** What its callers must be allowed to do; `none` if it is enough that their credentials are valid. */
  readonly verb: Verb | 'none';
  /** Whether it writes: after an unexpected error its outcome is unknown. */
  readonly writes?: boolean;
}

/** Values of a call that the log shows. */
export type CallFields = Readonly<Record<string, string>>;

/** The one way in for the calls of a method, on either transport: every call enters by `begin` and ends once. */
export class CallDoor<Source> {
  readonly transport: Transport<Source>;
  readonly method: CalledMethod;
  readonly context: DoorContext;

  constructor(transport: Transport<Source>, method: CalledMethod, context: DoorContext) {
    this.transport = transport;
    this.method = method;
    this.context = context;
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

  constructor(door: CallDoor<Source>, source: Source) {
    this.#door = door;
    this.#source = source;
  }

  /**
   * Who made the call. Throws an OrderError if its credentials prove nothing, or do not allow the method. Which stores
   * they allow is for the method to check, with `requireStore`.
   */
  admit(): Principal {
    const { transport, method, context } = this.#door;
    const principal = context.authenticator.authenticate(transport.credentialsOf(this.#source));
    if (method.verb === 'none' || principal.verbs.has(method.verb)) return principal;
    throw verbForbidden(principal.name, method.verb, method.name);
  }

  /** Whom a queue has to be fair to: a principal by its name, and one without by its connection. */
  originOf({ name }: Principal): string {
    return name || this.#door.transport.peerOf(this.#source);
  }

  /** The refusal that tells the caller about a thrown error. */
  refusalOf(thrown: unknown): OrderError {
    const { method, context } = this.#door;
    const error = toOrderError(thrown, method.writes ?? false);
    return context.state?.explain(error) ?? error;
  }

  /** Logs a call that was slow; at the level debug, every call. */
  answered(fieldsOf: () => CallFields): void {
    const { logger } = this.#door.context;
    const ms = this.#count('OK');
    if (ms >= SLOW_CALL_MS) logger.warn(this.#line(fieldsOf(), ms), 'slow call');
    else if (logger.isLevelEnabled('debug')) logger.debug(this.#line(fieldsOf(), ms), 'answered');
  }

  /** Logs at the level error if an operator should look, and at info if the caller made a mistake. */
  refused(error: OrderError, fields: CallFields = {}): void {
    const { logger } = this.#door.context;
    const line = { ...this.#line(fields, this.#count(error.reason)), ...cut(error.fields), reason: error.reason };
    const isOurs = error.cause !== undefined || error.reason === 'INTERNAL' || error.reason === 'OUTCOME_UNKNOWN';
    if (isOurs) logger.error({ ...line, err: error.cause }, error.message);
    else logger.info(line, error.message);
  }

  /** Logs the end of a stream at the level debug; a long one is not a slow call. */
  streamed(result: 'OK' | 'CANCELLED', fields: CallFields): void {
    this.#door.context.logger.debug(this.#line(fields, this.#count(result)), 'ended');
  }

  /** Logs an error that kept the call from ending properly. */
  failed(error: unknown, message: string): void {
    this.#door.context.logger.error({ method: this.#door.method.name, err: error }, message);
  }

  /** Returns how long the call took. */
  #count(result: 'OK' | Reason): number {
    const { transport, method, context } = this.#door;
    const ms = performance.now() - this.#started;
    context.observer.ended(transport.name, method.name, result, ms);
    return ms;
  }

  #line(fields: CallFields, ms: number) {
    const { transport, method } = this.#door;
    const peer = transport.peerOf(this.#source);
    return { method: method.name, ...cut(fields), ms: Math.round(ms * 10) / 10, peer };
  }
}

export type { Call };

/** Throws STORE_FORBIDDEN if the principal has no access to the store; undefined means every store. */
export function requireStore({ name, stores }: Principal, storeId: bigint | undefined): void {
  if (stores === 'all') return;
  if (storeId === undefined) throw storeMissing(name);
  if (!stores.has(storeId)) throw storeForbidden(name, storeId);
}

function cut(fields: CallFields): CallFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.slice(0, MAX_CHARACTERS)]));
}
