import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:http';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { onTestFinished } from 'vitest';

/** A span as it came over the wire. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** 2 is a server's. */
  readonly kind: number;
  /** In milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 0 unset, 2 an error. */
  readonly status: number;
  /** The attributes of the process that sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A stand-in for an OpenTelemetry collector: takes OTLP over HTTP, as protobuf, and keeps what comes. */
export class Collector {
  readonly spans: ReceivedSpan[] = [];
  /** Headers of each request, by their names in lower case. */
  readonly requests: { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[] = [];
  /** Connections that were ever made. */
  connections = 0;
  url = '';

  /** With `hangs` it takes requests, and answers none. */
  static async open({ hangs = false } = {}): Promise<Collector> {
    const collector = new Collector();
    const sockets = new Set<Socket>();
    const server = createServer(async (request, response) => {
      const chunks = await request.toArray();
      collector.requests.push({ path: request.url ?? '', headers: request.headers });
      if (hangs) return;
      collector.spans.push(...spansOf(Buffer.concat(chunks as Buffer[])));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
    server.on('connection', (socket) => {
      collector.connections++;
      sockets.add(socket);
      socket.on('error', () => {});
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return collector;
  }
}

/** The fields of one message, by their numbers; those that are texts or messages are bytes. */
type Fields = ReadonlyMap<number, readonly unknown[]>;

/** The spans of an ExportTraceServiceRequest (opentelemetry/proto/collector/trace/v1). */
function spansOf(request: Uint8Array): ReceivedSpan[] {
  return messages(read(request), 1).flatMap((resourceSpans) => {
    const resource = attributesOf(messages(resourceSpans, 1)[0]!, 1);
    const scopes = messages(resourceSpans, 2);
    return scopes.flatMap((scope) => messages(scope, 2).map((span) => toSpan(span, resource)));
  });
}

function toSpan(span: Fields, resource: ReceivedSpan['resource']): ReceivedSpan {
  const hex = (field: number) => Buffer.from((span.get(field)?.[0] ?? []) as Uint8Array).toString('hex');
  const ms = (field: number) => Number(span.get(field)![0] as bigint) / 1e6;
  return {
    traceId: hex(1),
    spanId: hex(2),
    traceState: text(span, 3),
    parentSpanId: hex(4),
    name: text(span, 5),
    kind: Number(span.get(6)?.[0]),
    start: ms(7),
    end: ms(8),
    attributes: attributesOf(span, 9),
    status: Number(messages(span, 15)[0]?.get(3)?.[0] ?? 0),
    resource,
  };
}

function attributesOf(fields: Fields, number: number): Record<string, unknown> {
  return Object.fromEntries(messages(fields, number).map((pair) => [text(pair, 1), valueOf(messages(pair, 2)[0]!)]));
}

/** The value of an AnyValue: a text, an integer or a double. */
function valueOf(value: Fields): unknown {
  if (value.has(1)) return text(value, 1);
  return value.has(3) ? Number(value.get(3)![0]) : doubleOf(value.get(4)![0] as bigint);
}

function messages(fields: Fields, number: number): Fields[] {
  return (fields.get(number) ?? []).map((bytes) => read(bytes as Uint8Array));
}

function text(fields: Fields, number: number): string {
  return Buffer.from((fields.get(number)?.[0] ?? []) as Uint8Array).toString();
}

function read(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, unknown[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    fields.set(number, [...(fields.get(number) ?? []), readValue(reader, type)]);
  }
  return fields;
}

function readValue(reader: BinaryReader, type: WireType): unknown {
  if (type === WireType.Varint) return reader.int64();
  if (type === WireType.LengthDelimited) return reader.bytes();
  if (type === WireType.Bit32) return reader.fixed32();
  return BigInt(reader.fixed64());
}

/** A double, of its bits. */
function doubleOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}
