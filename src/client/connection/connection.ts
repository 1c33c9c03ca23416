import { setMaxListeners } from 'node:events';
import type { ClientOptions as ChannelOptions, ClientReadableStream } from '@grpc/grpc-js';
import { Client, connectivityState, Metadata } from '@grpc/grpc-js';
import type { ServerAddress } from './address.ts';
import { DEFAULT_ADDRESS, parseServerAddress } from './address.ts';
import type { ClientOptions } from '../api.ts';
import type { Diagnosis, DiagnosisTls } from './diagnosis.ts';
import { diagnose, diagnoseProxy } from './diagnosis.ts';
import { AttemptFailed, UNCONNECTED } from '../failure.ts';
import { checkOptions } from '../options.ts';
import { onStop, pause, stoppedBy } from '../stop.ts';
import { pems, security } from './tls.ts';

const CHANNEL_OPTIONS: ChannelOptions = {
  // The library's own retries know neither request_ids nor our rules.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // A connection of its own, so that closing one client ends no other's calls.
  'grpc.use_local_subchannel_pool': 1,
  // The default waits for up to two minutes before it reconnects.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Detects a peer that vanished while a call waits for it. The server allows one ping per 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 0,
};
/** How long a diagnosis stays valid. */
const DIAGNOSIS_GOOD_MS = 1_000;
/** The longest wait for a diagnosis in progress. */
const DIAGNOSIS_WAIT_MS = 600;

/** A method of the service, as the generated definition has it. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** One attempt under way. */
export interface Attempt<Response> {
  /** Rejects with {@link AttemptFailed}, soon when a signal is aborted. */
  readonly answer: Promise<Response>;
  /** False only if no byte of the request can have left this machine so far. */
  wasSent(): boolean;
}

/** One channel to the server, with the caller's credentials. Connects at the first call. */
export class Connection {
  readonly #client: Client;
  readonly #address: ServerAddress;
  readonly #tls: DiagnosisTls | undefined;
  readonly #metadata = new Metadata();
  readonly #closing = new AbortController();
  #hasConnected = false;
  #diagnosis: { readonly result: Promise<Diagnosis | undefined>; readonly atMs: number } | undefined;

  /** Throws a TypeError that names the invalid option. */
  constructor(options: ClientOptions) {
    checkOptions(options);
    // Each call that waits listens to it, and Node.js 18 would warn of the eleventh.
    setMaxListeners(0, this.closed);
    const { address = DEFAULT_ADDRESS, token, tls } = options;
    this.#address = parseServerAddress(address);
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    this.#tls = pems(tls);
    const { credentials, options: channel } = security(this.#address.host, this.#tls);
    this.#client = new Client(this.#address.target, credentials, {
      ...CHANNEL_OPTIONS,
      ...channel,
      // A proxy from the environment cannot reach this machine's loopback addresses.
      ...(this.#address.isLoopback ? { 'grpc.enable_http_proxy': 0 } : {}),
    });
  }

  /** Aborted when the connection is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether this connection ever reached a server. */
  get hasConnected(): boolean {
    return this.#hasConnected || this.isConnected;
  }

  /** Whether there is a connection now. */
  get isConnected(): boolean {
    if (this.closed.aborted) return false;
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Begins to diagnose the connection. Calls that fail at the same time share one diagnosis. */
  beginDiagnosis(): Promise<Diagnosis | undefined> {
    const now = performance.now();
    if (this.#diagnosis === undefined || now - this.#diagnosis.atMs > DIAGNOSIS_GOOD_MS) {
      const target = this.#client.getChannel().getTarget();
      const result =
        target === this.#address.target
          ? diagnose(this.#address, this.#tls)
          : diagnoseProxy(target.replace(/^dns:/, ''), this.#address);
      this.#diagnosis = { result, atMs: now };
    }
    return this.#diagnosis.result;
  }

  /** Waits {@link DIAGNOSIS_WAIT_MS} for it at most; undefined if nothing is wrong or the reason is unknown. */
  async diagnose(): Promise<Diagnosis | undefined> {
    const diagnosis = this.beginDiagnosis();
    const waited = new AbortController();
    const tooLong = pause(DIAGNOSIS_WAIT_MS, [waited.signal]).then(() => undefined);
    try {
      return await Promise.race([diagnosis, tooLong]);
    } finally {
      waited.abort();
    }
  }

  /** One attempt, within `timeoutMs`. `onTrailers` is called before the answer is seen. */
  call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    timeoutMs: number,
    signals: readonly AbortSignal[],
    onTrailers?: (trailers: Metadata) => void,
  ): Attempt<Response> {
    const wasConnected = this.isConnected;
    let wasSent = () => wasConnected;
    const answer = new Promise<Response>((resolve, reject) => {
      const fail = (error: unknown) => reject(this.#failed(error, wasSent()));
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          forget();
          if (error) return fail(error);
          this.#hasConnected = true;
          resolve(response!);
        },
      );
      if (onTrailers) call.on('status', ({ metadata }) => onTrailers(metadata));
      wasSent = () => wasConnected || this.#hasPeer(call);
      const forget = onStop(signals, () => {
        call.cancel();
        // The library's own error of the call comes first, if it comes at all.
        setImmediate(() => fail(new Error('cancelled')));
      });
    });
    return { answer, wasSent: () => wasSent() };
  }

  /**
   * Yields messages as they arrive. Throws {@link AttemptFailed}, after `connectMs` at the latest if there is no
   * connection by then; ends at once when a signal is aborted.
   */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    signals: readonly AbortSignal[],
    connectMs: number,
  ): AsyncGenerator<Response, void> {
    if (stoppedBy(signals)) return;
    const stream: ClientReadableStream<Response> = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
    );
    // A cancelled call emits one more error, after the iteration has removed its listeners.
    stream.on('error', () => {});
    const forget = onStop(signals, () => stream.cancel());
    let isTooLate = false;
    const connecting = setTimeout(() => {
      isTooLate = !this.isConnected;
      if (isTooLate) stream.cancel();
    }, connectMs);
    try {
      yield* stream as AsyncIterable<Response>;
      this.#hasConnected = true;
    } catch (error) {
      if (!stoppedBy(signals)) throw this.#failed(isTooLate ? UNCONNECTED : error, this.#hasPeer(stream));
    } finally {
      clearTimeout(connecting);
      forget();
      stream.cancel();
    }
  }

  /** Calls `listener` once, when the connection is lost; at once if there is none. */
  onceLost(listener: () => void): void {
    if (!this.isConnected) return listener();
    this.#client.getChannel().watchConnectivityState(connectivityState.READY, Infinity, listener);
  }

  close(): void {
    if (this.closed.aborted) return;
    this.#closing.abort(new Error('the client was closed'));
    this.#client.close();
  }

  /**
   * The library hands a call to a connection only after the server's first frame has arrived on it; until then the
   * call's peer is the target of the whole channel, and no byte of the request has left this machine. If there was a
   * connection when the call began, it counts as sent anyway, because the library silently moves a call that the server
   * refuses to the next connection.
   */
  #hasPeer(call: { getPeer(): string }): boolean {
    return call.getPeer() !== this.#client.getChannel().getTarget();
  }

  #failed(error: unknown, wasSent: boolean): AttemptFailed {
    this.#hasConnected ||= wasSent;
    return new AttemptFailed(error, wasSent);
  }
}
