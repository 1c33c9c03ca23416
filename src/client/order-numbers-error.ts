/** What is known of a call that failed. */
export type Outcome = 'refused' | 'unknown';

/** Why there is no connection. */
export type ConnectionProblem =
  /** Nothing listens there, or it cannot be reached. */
  | 'unreachable'
  /** The host name cannot be resolved. */
  | 'unknown-host'
  /** A server answers, but not in time for a connection. */
  | 'late'
  /** Something accepts connections but sends nothing. */
  | 'silent'
  | 'needs-tls'
  | 'needs-plaintext'
  | 'certificate'
  | 'not-grpc'
  | 'proxy';

/** The fields of an {@link OrderNumbersError} beside its message. */
export interface OrderNumbersErrorDetails {
  readonly code: string;
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly requestId: string | undefined;
  readonly outcome: Outcome;
  readonly connectionProblem?: ConnectionProblem | undefined;
  readonly cause: unknown;
}

/** The error of every failed call. */
export class OrderNumbersError extends Error {
  override readonly name = 'OrderNumbersError';
  /** The name of the gRPC code, such as 'UNAVAILABLE'; 'CANCELLED' if the caller stopped the call. */
  readonly code: string;
  /** Why the server refused (google.rpc.ErrorInfo of the domain orders.v1), such as 'QUEUE_FULL'. */
  readonly reason: string | undefined;
  /** The values concerned, keyed by their names in the proto. */
  readonly metadata: Record<string, string>;
  /** The idempotency key of an allocation, given by the caller or created for it; undefined for other calls. */
  readonly requestId: string | undefined;
  /**
   * 'refused': the call did nothing. That holds for every call that only reads, and for one that was never sent because
   * there was no connection. 'unknown': it may have succeeded; retry with the same requestId.
   */
  readonly outcome: Outcome;
  /** Why the last attempt could not connect; undefined if it could. */
  readonly connectionProblem: ConnectionProblem | undefined;

  constructor(message: string, details: OrderNumbersErrorDetails) {
    super(message, { cause: details.cause });
    this.code = details.code;
    this.reason = details.reason;
    this.metadata = { ...details.metadata };
    this.requestId = details.requestId;
    this.outcome = details.outcome;
    this.connectionProblem = details.connectionProblem;
  }

  /** Whether nothing listens at the address, as far as the last attempt could tell. */
  get isUnreachable(): boolean {
    return this.connectionProblem === 'unreachable' || this.connectionProblem === 'unknown-host';
  }
}
