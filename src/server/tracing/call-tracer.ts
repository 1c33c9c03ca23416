import type { EndedBatch } from '../../core/observers.ts';
import type { Reason } from '../../core/reasons.ts';
import type { SpanIds, TraceHeaders } from './trace-headers.ts';

/** A call that has just ended. */
export interface EndedCall {
  readonly transport: 'grpc' | 'http';
  /** The path of its method, with its slash, which is one of a short fixed list. */
  readonly path: string;
  readonly result: 'OK' | Reason;
  /** When it arrived, by performance.now(). */
  readonly startedAt: number;
  /** Absent if its caller sent none. */
  readonly headers: TraceHeaders | undefined;
  /** The host that it came from; empty if its connection has closed. */
  readonly host: string;
  /** The name of its caller; empty if that has none. */
  readonly caller: string;
  /** The batch that had its request, or the last of its requests; undefined if none had. */
  readonly batch: EndedBatch | undefined;
  /** What the log would show of it; called at most once. */
  fieldsOf(): Readonly<Record<string, string>>;
}

/** Is told of every call that ended, for traces; returns immediately and never throws. */
export interface CallTracer {
  /** Returns the ids of the call's span, for the log. */
  ended(call: EndedCall): SpanIds;
}

/** Where the spans of a server go. */
export interface Tracing {
  readonly tracer: CallTracer;
  /** Where they go, for the log. */
  readonly to: string;
  /** Sends the spans that wait; resolves when they are sent or lost, after `limitMs` at the latest. Never rejects. */
  close(limitMs: number): Promise<void>;
}
