import { connectivityState, Metadata, status } from '@grpc/grpc-js';
import { SimulatedConnection } from './connection.ts';
import type { Network } from './network.ts';
import { currentNetwork } from './network.ts';
import type { RpcChannel } from './rpc.ts';
import { failure, Rpc } from './rpc.ts';
import type { Payload, WireStatus } from './server-end.ts';
import { decoded, encoded } from './payload.ts';
import { MessageStream } from './message-stream.ts';

// Stands in for @grpc/grpc-js where the client's connection imports it.
export { connectivityState, Metadata };

const FIRST_RECONNECT_MS = 50;
const MAX_RECONNECT_MS = 2_000;

type Callback = (error: unknown, response?: unknown) => void;

/** What the client's connection uses of the library's Client, over the network of the run under way. */
export class Client implements RpcChannel {
  readonly network: Network;
  readonly client: number;
  readonly #target: string;
  #state = connectivityState.IDLE;
  #connection: SimulatedConnection | undefined;
  #waiting: Rpc[] = [];
  #onLost: (() => void)[] = [];
  #reconnectMs = FIRST_RECONNECT_MS;
  #isClosed = false;

  /** The port of the target is the number of the client. */
  constructor(target: string) {
    this.network = currentNetwork();
    this.#target = target;
    this.client = Number(/:(\d+)$/.exec(target)![1]);
  }

  /** The channel is this object, too. */
  getChannel(): this {
    return this;
  }

  getTarget(): string {
    return this.#target;
  }

  getConnectivityState(): connectivityState {
    return this.#state;
  }

  watchConnectivityState(_state: connectivityState, _deadline: number, listener: () => void): void {
    this.#onLost.push(listener);
  }

  makeUnaryRequest<Request, Response>(
    path: string,
    serialize: (request: Request) => Uint8Array,
    deserialize: (bytes: Buffer) => Response,
    request: Request,
    _metadata: unknown,
    { deadline }: { readonly deadline: number },
    callback: Callback,
  ): UnaryHandle {
    let payload: Payload | undefined;
    const message = encoded(request, this.network.isEncoded, serialize);
    const rpc = new Rpc(this, path, message, deadline - Date.now(), false, {
      message: (answer) => {
        // A second answer is not even read.
        payload ??= answer;
      },
      ended: (why) => {
        if (why) return callback(errorOf(why));
        callback(null, decoded(payload!, deserialize));
      },
    });
    this.dispatch(rpc);
    return new UnaryHandle(rpc, this.#target);
  }

  makeServerStreamRequest<Request, Response>(
    path: string,
    serialize: (request: Request) => Uint8Array,
    deserialize: (bytes: Buffer) => Response,
    request: Request,
  ): MessageStream<Response> {
    const stream = new MessageStream<Response>(deserialize, this.#target);
    stream.rpc = new Rpc(this, path, encoded(request, this.network.isEncoded, serialize), Infinity, true, stream);
    this.dispatch(stream.rpc);
    return stream;
  }

  close(): void {
    this.#isClosed = true;
    this.#state = connectivityState.SHUTDOWN;
    for (const rpc of this.#waiting.splice(0)) rpc.end(failure(status.UNAVAILABLE, 'Channel closed'));
    this.#connection?.close();
  }

  /** Sends the call now, when there is a connection, or never. */
  dispatch(rpc: Rpc): void {
    if (this.#isClosed) return rpc.end(failure(status.UNAVAILABLE, 'Channel closed'));
    if (this.#connection?.isOpen && !this.#connection.isLeaving) return rpc.send(this.#connection);
    if (this.#state === connectivityState.TRANSIENT_FAILURE) {
      return void process.nextTick(() => rpc.end(refusedByNobody()));
    }
    this.#waiting.push(rpc);
    if (this.#state !== connectivityState.CONNECTING) this.#connect();
  }

  #connect(): void {
    this.#state = connectivityState.CONNECTING;
    this.network.clock.after(this.network.connectMs(), () => {
      if (this.#isClosed) return;
      const server = this.network.reach(this.client);
      if (server) this.#connected(new SimulatedConnection(server, () => this.#lost()));
      else this.#missed();
    });
  }

  #connected(connection: SimulatedConnection): void {
    this.#connection = connection;
    this.#state = connectivityState.READY;
    this.#reconnectMs = FIRST_RECONNECT_MS;
    this.network.note('connected', this.client, connection.server.name);
    for (const rpc of this.#waiting.splice(0)) if (!rpc.isEnded) this.dispatch(rpc);
  }

  /** Nothing listens: calls fail at once until the next attempt succeeds. */
  #missed(): void {
    this.#state = connectivityState.TRANSIENT_FAILURE;
    this.network.injected('connection refused');
    for (const rpc of this.#waiting.splice(0)) rpc.end(refusedByNobody());
    const ms = this.#reconnectMs;
    this.#reconnectMs = Math.min(MAX_RECONNECT_MS, ms * 1.6);
    this.network.clock.after(ms, () => {
      if (this.#isClosed) return;
      const server = this.network.reach(this.client);
      if (server) this.#connected(new SimulatedConnection(server, () => this.#lost()));
      else this.#missed();
    });
  }

  #lost(): void {
    if (this.#isClosed) return;
    this.#state = connectivityState.IDLE;
    this.network.note('disconnected', this.client, '');
    for (const listener of this.#onLost.splice(0)) listener();
  }
}

/** What the library returns for a unary call. */
class UnaryHandle {
  readonly #rpc: Rpc;
  readonly #target: string;

  constructor(rpc: Rpc, target: string) {
    this.#rpc = rpc;
    this.#target = target;
  }

  cancel(): void {
    this.#rpc.cancel();
  }

  getPeer(): string {
    return this.#rpc.connection?.server.name ?? this.#target;
  }

  on(): void {}
}

function refusedByNobody(): WireStatus {
  const details = 'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:50051';
  return failure(status.UNAVAILABLE, details);
}

/** A status as the library hands it to its caller. */
export function errorOf({ code, details, metadata }: WireStatus): Error {
  return Object.assign(new Error(`${code}: ${details}`), { code, details, metadata });
}
