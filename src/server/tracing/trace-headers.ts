import type { IncomingHttpHeaders } from 'node:http';

/** The ids of a span, in hexadecimal digits: 32 of its trace, 16 of its own. */
export interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
}

/** The span of the caller that a call belongs to. */
export interface RemoteParent extends SpanIds {
  /** The flags of W3C Trace Context; the lowest bit says that the caller's trace is recorded. */
  readonly flags: number;
}

/** What a call says about the trace that it belongs to, as its caller sent it. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/** A traceparent of any version (https://www.w3.org/TR/trace-context/): later ones may have more behind the flags. */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** Undefined if the caller sent no traceparent. */
export function traceHeadersOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceHeaders | undefined {
  if (traceparent === undefined) return undefined;
  return { traceparent: String(traceparent), tracestate: tracestate === undefined ? undefined : String(tracestate) };
}

/** Undefined if there are no headers; a traceparent that is not valid counts as none. */
export function remoteParentOf(headers: TraceHeaders | undefined): RemoteParent | undefined {
  if (!headers) return undefined;
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(headers.traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return version === '00' && more !== undefined ? undefined : { traceId, spanId, flags: Number.parseInt(flags, 16) };
}
