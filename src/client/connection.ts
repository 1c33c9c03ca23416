import type { ChannelCredentials, ClientOptions as ChannelOptions, ClientReadableStream } from '@grpc/grpc-js';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ClientOptions } from './api.ts';
import { onStop, stoppedBy } from './stop.ts';

const CHANNEL_OPTIONS: ChannelOptions = {
  // The library's retries know no request_id and no rule of ours.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // A connection of its own, so that closing one client ends nobody else's calls.
  'grpc.use_local_subchannel_pool': 1,
  // Its own default waits for up to two minutes before it connects again.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A peer that is gone without a word is noticed while a call waits for it. The server allows a ping per 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 0,
};
/** A host without a port would silently mean 443. */
const HAS_PORT = /:\d{1,5}$/;
const TOKEN = /^[\x21-\x7e]+$/;
const HAS_SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract):/;

/** A method of the service, as the generated definition has it. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** One channel to the server, with the caller's credentials. Connects at the first call. */
export class Connection {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #closing = new AbortController();

  /** Throws a TypeError that names the option that cannot be. */
  constructor({ address, token, tls }: ClientOptions) {
    if (typeof address !== 'string' || !(HAS_PORT.test(address) || HAS_SCHEME.test(address))) {
      throw new TypeError(`address ${JSON.stringify(address)} is not valid: it must be host:port`);
    }
    if (token !== undefined) {
      // The library's own error would show the token.
      if (!TOKEN.test(token)) throw new TypeError('token is not valid: it must be printable ASCII without a space');
      this.#metadata.set('authorization', `Bearer ${token}`);
    }
    this.#client = new Client(address, channelCredentials(tls), CHANNEL_OPTIONS);
  }

  /** Aborted when the connection is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** One attempt, within `timeoutMs`. Rejects with grpc-js's ServiceError, at once when a signal is aborted. */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    signals: readonly AbortSignal[],
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          forget();
          if (error) reject(error);
          else resolve(response!);
        },
      );
      const forget = onStop(signals, () => {
        call.cancel();
        reject(new Error('cancelled'));
      });
    });
  }

  /** Messages as they come. Throws grpc-js's ServiceError; ends at once when a signal is aborted. */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    signals: readonly AbortSignal[],
  ): AsyncGenerator<Response, void> {
    if (stoppedBy(signals)) return;
    const stream: ClientReadableStream<Response> = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
    );
    // A cancelled call reports its end once more, after everybody has left.
    stream.on('error', () => {});
    const forget = onStop(signals, () => stream.cancel());
    try {
      yield* stream as AsyncIterable<Response>;
    } catch (error) {
      if (!stoppedBy(signals)) throw error;
    } finally {
      forget();
      stream.cancel();
    }
  }

  close(): void {
    if (this.closed.aborted) return;
    this.#closing.abort(new Error('the client was closed'));
    this.#client.close();
  }
}

function channelCredentials(tls: ClientOptions['tls']): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  if (tls === true) return credentials.createSsl();
  const { ca, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError('tls.cert and tls.key go together, and one of them is missing');
  }
  return credentials.createSsl(pem(ca), pem(key), pem(cert));
}

function pem(text: Uint8Array | string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
