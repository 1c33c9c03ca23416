import { Metadata, status } from '@grpc/grpc-js';
import { BatchAllocateOrdersResponse } from '../../../../src/wire/gen/orders/v1/orders.ts';
import type { VirtualTimer } from '../../seeded/time/virtual-clock.ts';
import type { SimulatedConnection } from './connection.ts';
import type { Fate, Network } from './network.ts';
import type { ArrivedCall, Payload, Replies, WireStatus } from './server-end.ts';

const NO_METADATA = new Metadata();
const BATCH = /BatchAllocateOrders$/;

/** What an {@link Rpc} tells the library's caller. */
export interface RpcListener {
  message(payload: Payload): void;
  /** Called once; undefined if the call ended without an error. */
  ended(why: WireStatus | undefined): void;
}

/** What an {@link Rpc} needs of its channel. */
export interface RpcChannel {
  readonly network: Network;
  readonly client: number;
  /** Sends the call over another connection. */
  dispatch(rpc: Rpc): void;
}

/** One call of the client's library, from its start to its end. */
export class Rpc {
  readonly path: string;
  readonly isStream: boolean;
  isEnded = false;
  /** Undefined until the call is handed to a connection. */
  connection: SimulatedConnection | undefined;
  readonly #channel: RpcChannel;
  readonly #payload: Payload;
  readonly #deadlineMs: number;
  readonly #listener: RpcListener;
  readonly #timer: VirtualTimer | undefined;
  #arrived: ArrivedCall | undefined;
  #wasRefused = false;

  /** Without a time limit if `timeoutMs` is infinite. */
  constructor(
    channel: RpcChannel,
    path: string,
    payload: Payload,
    timeoutMs: number,
    isStream: boolean,
    listener: RpcListener,
  ) {
    this.#channel = channel;
    this.path = path;
    this.isStream = isStream;
    this.#payload = payload;
    this.#listener = listener;
    const { clock } = channel.network;
    this.#deadlineMs = clock.nowMs + timeoutMs;
    if (timeoutMs < Infinity) {
      this.#timer = clock.after(Math.max(0, timeoutMs), () => {
        this.#leave(failure(status.DEADLINE_EXCEEDED, `Deadline exceeded after ${timeoutMs / 1000}s`));
      });
    }
  }

  get isBatch(): boolean {
    return BATCH.test(this.path);
  }

  /** The caller is no longer interested. */
  cancel(): void {
    this.#leave(failure(status.CANCELLED, 'Cancelled on client'));
  }

  lost(why: WireStatus): void {
    this.#arrived?.cancel();
    this.end({ ...why, metadata: NO_METADATA });
  }

  end(why: WireStatus | undefined): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#channel.network.clock.clear(this.#timer);
    this.connection?.rpcs.delete(this);
    this.#listener.ended(why);
  }

  /** Hands the call to a connection. */
  send(connection: SimulatedConnection): void {
    const { network, client } = this.#channel;
    this.connection = connection;
    connection.rpcs.add(this);
    const fate = network.fate(client, this.isStream, this.isBatch);
    const arrive = () => this.#arrive(connection, fate);
    switch (fate.fault) {
      case 'request lost':
        return network.injected(fate.fault);
      case 'stream refused':
        if (this.#wasRefused) break;
        network.injected(fate.fault);
        network.clock.after(fate.requestMs, () => this.#refused(connection));
        return;
      case 'bare status, request forwarded':
      case 'bare status, request dropped':
        network.injected(fate.fault);
        network.clock.after(fate.requestMs + fate.answerMs, () => this.end(failure(fate.bareCode, 'a proxy gave up')));
        if (fate.fault === 'bare status, request forwarded') network.clock.after(fate.requestMs, arrive);
        return;
      case 'request delayed':
        network.injected(fate.fault);
        return void network.clock.after(fate.lateMs, () => this.#arriveLate());
      case 'request duplicated':
        network.injected(fate.fault);
        network.clock.after(fate.lateMs, () => this.#arriveTwice());
        break;
      default:
    }
    network.clock.after(fate.requestMs, arrive);
  }

  get #msLeft(): number {
    return this.#deadlineMs - this.#channel.network.clock.nowMs;
  }

  /** The library silently moves a call that the server has not begun to another connection. */
  #refused(connection: SimulatedConnection): void {
    if (this.isEnded || !connection.isOpen) return;
    connection.rpcs.delete(this);
    this.#wasRefused = true;
    this.#channel.dispatch(this);
  }

  #arrive(connection: SimulatedConnection, fate: Fate): void {
    if (!connection.isOpen || this.isEnded) return;
    if (connection.isLeaving) return this.#refused(connection);
    const { client } = this.#channel;
    this.#arrived = connection.server.receive(this.path, this.#payload, this.#msLeft, client, {
      message: (payload) => this.#answer(payload, undefined, connection, fate),
      end: (why) => this.#answer(undefined, why, connection, fate),
    });
  }

  /** A second copy reaches the server that is there by then. */
  #arriveTwice(): void {
    const { network, client } = this.#channel;
    network.reach(client)?.receiveCopy(this.path, this.#payload, Math.max(50, this.#msLeft), client);
  }

  /** A call that something between client and server has kept reaches the server that is there by then. */
  #arriveLate(): void {
    const { network, client } = this.#channel;
    const dropped: Replies = { message: () => {}, end: () => {} };
    network.reach(client)?.receive(this.path, this.#payload, Math.max(50, this.#msLeft), client, dropped);
  }

  #answer(
    payload: Payload | undefined,
    why: WireStatus | undefined,
    connection: SimulatedConnection,
    fate: Fate,
  ): void {
    const { network } = this.#channel;
    const deliver = () => {
      if (!connection.isOpen || this.isEnded) return;
      if (payload) this.#listener.message(payload);
      if (!payload || !this.isStream) this.end(why);
    };
    let ms = fate.answerMs;
    switch (fate.fault) {
      case 'answer lost':
        return network.injected(fate.fault);
      case 'connection reset by the answer':
        network.injected(fate.fault);
        return void network.clock.after(ms, () => connection.reset());
      case 'answer delayed':
        network.injected(fate.fault);
        ms += fate.lateMs;
        break;
      case 'answer duplicated':
        network.injected(fate.fault);
        network.clock.after(ms + 1, () => payload && this.#listener.message(payload));
        break;
      case 'answer cut short':
      case 'answers swapped':
        if (!payload) break;
        network.injected(fate.fault);
        payload = mangled(payload, fate.fault);
        break;
      default:
    }
    network.clock.after(ms, deliver);
  }

  #leave(why: WireStatus): void {
    if (this.isEnded) return;
    const { network } = this.#channel;
    const arrived = this.#arrived;
    if (arrived) network.clock.after(network.connectMs(), () => arrived.cancel());
    // As the library does, not in the turn of its caller.
    const { connection } = this;
    connection?.rpcs.delete(this);
    process.nextTick(() => this.end(why));
  }
}

/** What a faulty proxy or server makes of the answer to a batch. */
function mangled(payload: Payload, fault: 'answer cut short' | 'answers swapped'): Payload {
  const isEncoded = payload instanceof Uint8Array;
  const message = isEncoded ? BatchAllocateOrdersResponse.decode(payload) : (payload as BatchAllocateOrdersResponse);
  const results = [...message.results];
  if (fault === 'answer cut short') results.pop();
  // A refusal does not say which request it is for.
  const given = results.filter(({ result }) => result?.$case === 'response');
  if (fault === 'answers swapped' && given.length > 0) given.push(given.shift()!);
  const changed = results.map((each) => (each.result?.$case === 'response' ? given.shift()! : each));
  return isEncoded ? BatchAllocateOrdersResponse.encode({ results: changed }).finish() : { results: changed };
}

export function failure(code: number, details: string): WireStatus {
  return { code, details, metadata: NO_METADATA };
}
