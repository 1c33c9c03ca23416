import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from 'node:http2';
import { connect, constants } from 'node:http2';
import { onTestFinished } from 'vitest';
import type { AllocateOrderRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { AllocateOrderRequest as AllocateOrderCodec } from '../../../src/wire/gen/orders/v1/orders.ts';

const PATH = '/orders.v1.OrderNumberService/AllocateOrder';

/** The end of a call: a grpc-status, or a bare reset of its stream. */
export interface RawAnswer {
  /** Undefined if none came. */
  readonly grpcStatus: number | undefined;
  readonly grpcMessage: string;
  /** Error code of HTTP/2; 0 if the stream ended normally. */
  readonly rstCode: number;
}

/** A connection that was closed by the server. */
export interface Goodbye {
  readonly code: number;
  readonly text: string;
}

/** A bare HTTP/2 client that does what no gRPC library would; its connection ends with the test. */
export class HostileClient {
  readonly session: ClientHttp2Session;
  /** The last GOAWAY of the server, if there was one. */
  goodbye: Goodbye | undefined;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('goaway', (code, _lastStream, data) => {
      this.goodbye = { code, text: data ? Buffer.from(data).toString() : '' };
    });
    // Being cut off is what it is here for.
    session.on('error', () => {});
    this.closed = new Promise((resolve) => void session.once('close', resolve));
    onTestFinished(() => session.destroy());
  }

  /** Resolves when the server's limits are known on both sides. One that `takesNothing` lets no answer come. */
  static async connect(
    address: string,
    { takesNothing = false, tls }: { readonly takesNothing?: boolean; readonly tls?: SecureClientSessionOptions } = {},
  ): Promise<HostileClient> {
    const session = connect(`${tls ? 'https' : 'http'}://${address}`, {
      ...tls,
      maxSendHeaderBlockLength: 1024 * 1024,
      maxOutstandingPings: 10_000,
      ...(takesNothing && { settings: { initialWindowSize: 0 } }),
    });
    const client = new HostileClient(session);
    await once(session, 'remoteSettings');
    await client.ping();
    return client;
  }

  /** Starts a call, of AllocateOrder unless said otherwise; the caller sends the message and ends the stream. */
  open(headers: Readonly<Record<string, string>> = {}, path = PATH): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => {});
    return stream;
  }

  /** Calls AllocateOrder with these bytes as its message. */
  async call(message: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    const stream = this.open(headers);
    const answer = answerOf(stream);
    stream.end(framed(message));
    return answer;
  }

  /** Resolves to whether the server answered; false if the connection is gone. */
  ping(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    if (this.isClosed) return Promise.resolve(false);
    this.session.ping((error) => resolve(error === null));
    return promise;
  }

  get isClosed(): boolean {
    return this.session.closed || this.session.destroyed;
  }
}

/** A message of AllocateOrder as it is on the wire. */
export function encode(request: AllocateOrderRequest): Uint8Array {
  return AllocateOrderCodec.encode(request).finish();
}

/** A message with gRPC's prefix: not compressed, so many bytes. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Resolves when the stream is closed. */
export async function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  let grpcStatus: number | undefined;
  let grpcMessage = '';
  const read = (headers: Readonly<Record<string, unknown>>) => {
    if (headers['grpc-status'] === undefined) return;
    grpcStatus = Number(headers['grpc-status']);
    grpcMessage = decodeURIComponent(String(headers['grpc-message'] ?? ''));
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.resume();
  await new Promise<void>((resolve) => void stream.once('close', () => resolve()));
  return { grpcStatus, grpcMessage, rstCode: stream.rstCode ?? constants.NGHTTP2_NO_ERROR };
}
