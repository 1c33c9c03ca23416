import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import { createTraceState, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { statusOf } from '../http/status.ts';
import { rpcCodeName } from '../methods/rpc-status.ts';
import type { CallTracer, EndedCall } from './call-tracer.ts';
import type { SpanIds } from './trace-headers.ts';
import { remoteParentOf } from './trace-headers.ts';

/** The codes of gRPC that are the server's fault, by OpenTelemetry's conventions for gRPC. */
const FAULTS = new Set(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS']);

/** The path of a method of the proto, over HTTP: Connect or gRPC-Web. */
const METHOD_PATH = /^\/[\w.]+\.\w+\/\w+$/;

/** How calls of one path are described: by OpenTelemetry's semantic conventions for RPC or for HTTP. */
interface Kind {
  readonly name: string;
  readonly attributes: Attributes;
  /** What the result adds, and whether it is the server's fault. */
  ended(result: EndedCall['result']): { readonly attributes: Attributes; readonly isFault: boolean };
}

/**
 * Makes a span of every call that has ended, with the times of its batch. The span is made at the end, so that a call
 * under way holds nothing for it.
 */
export class CallSpans implements CallTracer {
  readonly #tracer: Tracer;
  readonly #kinds = new Map<string, Kind>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  ended(call: EndedCall): SpanIds {
    const kind = this.#kindOf(call);
    const options = { kind: SpanKind.SERVER, startTime: call.startedAt, attributes: kind.attributes };
    const span = this.#tracer.startSpan(kind.name, options, parentOf(call));
    if (span.isRecording()) describe(span, call, kind);
    span.end(performance.now());
    return span.spanContext();
  }

  #kindOf({ transport, path }: EndedCall): Kind {
    const key = `${transport} ${path}`;
    let kind = this.#kinds.get(key);
    if (!kind) {
      kind = transport === 'grpc' ? grpc(path) : METHOD_PATH.test(path) ? connect(path) : http(path);
      this.#kinds.set(key, kind);
    }
    return kind;
  }
}

function parentOf({ headers }: EndedCall): Context {
  const parent = remoteParentOf(headers);
  if (!parent) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags & TraceFlags.SAMPLED,
    isRemote: true,
    ...(headers?.tracestate !== undefined && { traceState: createTraceState(headers.tracestate) }),
  });
}

function describe(span: Span, call: EndedCall, kind: Kind): void {
  const { result, host, caller, batch, startedAt } = call;
  const { attributes, isFault } = kind.ended(result);
  span.setAttributes(attributes);
  if (host !== '') span.setAttribute('client.address', host);
  if (caller !== '') span.setAttribute('order_numbers.caller', caller);
  for (const [name, value] of Object.entries(call.fieldsOf())) span.setAttribute(`order_numbers.${name}`, value);
  if (batch) {
    span.setAttributes({
      'order_numbers.batch_size': batch.requests,
      'order_numbers.queue_ms': batch.formedAt - startedAt,
      'order_numbers.commit_ms': batch.ms,
    });
  }
  if (result !== 'OK') span.setAttribute('order_numbers.reason', result);
  if (!isFault) return;
  span.setAttribute('error.type', result);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function grpc(path: string): Kind {
  const method = path.slice(1);
  return {
    name: method,
    attributes: { 'rpc.system.name': 'grpc', 'rpc.method': method },
    ended(result) {
      const code = result === 'OK' ? 'OK' : rpcCodeName(result);
      return { attributes: { 'rpc.status_code': code }, isFault: FAULTS.has(code) };
    },
  };
}

/** Connect's codes are those of gRPC in lower case, and a call that succeeds has none. */
function connect(path: string): Kind {
  const { name, ended } = grpc(path);
  return {
    name,
    attributes: { 'rpc.system.name': 'connectrpc', 'rpc.method': name },
    ended(result) {
      const { isFault } = ended(result);
      return { attributes: result === 'OK' ? {} : { 'rpc.status_code': rpcCodeName(result).toLowerCase() }, isFault };
    },
  };
}

function http(path: string): Kind {
  const method = path === '/metrics' ? 'GET' : 'POST';
  return {
    name: `${method} ${path}`,
    attributes: { 'http.request.method': method, 'http.route': path, 'url.path': path },
    ended(result) {
      const { code } = result === 'OK' ? { code: 200 } : statusOf(result);
      return { attributes: { 'http.response.status_code': code }, isFault: code >= 500 };
    },
  };
}
