import type { EventEmitter } from 'node:events';
import type { ServerUnaryCall, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type { ClientOptions, OrderNumbersClient } from '../../src/client/index.ts';
import { createClient } from '../../src/client/index.ts';
import type { Reason } from '../../src/core/reasons.ts';
import { OrderError } from '../../src/core/errors.ts';
import { ErrorInfo, RetryInfo } from '../../src/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../src/wire/gen/google/rpc/status.ts';
import type {
  AllocateOrdersResponse,
  Allocation,
  BatchAllocateOrdersResult,
  Store,
} from '../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService } from '../../src/wire/gen/orders/v1/orders.ts';
import type { ErrorStatus } from '../../src/server/grpc/status.ts';
import { toStatus } from '../../src/server/grpc/status.ts';

/** A call that the fake server got. */
export interface Seen {
  readonly method: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly authorization: unknown;
  /** Milliseconds left until the deadline when the call arrived. */
  readonly msLeft: number;
  /** The time of arrival, by performance.now(). */
  readonly atMs: number;
  /** Resolves when the caller has cancelled it. */
  readonly cancelled: Promise<void>;
}

type AnyCall = ServerUnaryCall<object, object> | ServerWritableStream<object, object>;

/** What a call ends with: a response, a status, or nothing at all. */
export type Ending = { readonly response: object } | { readonly refusal: Partial<ErrorStatus> } | 'silence';
/** A stream: the messages it sends, and how it ends, if it does. */
export interface StreamScript {
  readonly messages: readonly object[];
  readonly ending: 'end' | 'silence' | Partial<ErrorStatus>;
}
/**
 * The answers to the calls of a method, one by one; the last one holds for all later calls. A unary call waits for a
 * promised one.
 */
export type Script<T> = readonly (T | ((request: never) => T | Promise<T>))[];

export interface FakeOptions {
  /** host:port; any free port if absent. */
  readonly address?: string;
  readonly credentials?: ServerCredentials;
}

/** A scripted server, for answers that the real one gives only rarely. */
export class FakeServer {
  readonly seen: Seen[] = [];
  readonly #server = new Server();
  #port = 0;
  #onCall: (() => void)[] = [];

  private constructor(
    unaries: Readonly<Record<string, Script<Ending>>>,
    streams: Record<string, Script<StreamScript>>,
  ) {
    const handlers: UntypedServiceImplementation = {};
    for (const name of Object.keys(OrderNumberServiceService)) {
      const [unary, stream] = [unaries[name], streams[name]];
      if (unary) handlers[name] = this.#unary(name, unary) as never;
      if (stream) handlers[name] = this.#stream(name, stream) as never;
    }
    this.#server.addService(OrderNumberServiceService as never, handlers);
  }

  /** Starts a server that ends with the test. */
  static async start(
    unaries: Readonly<Record<string, Script<Ending>>>,
    streams: Record<string, Script<StreamScript>> = {},
    { address = '127.0.0.1:0', credentials = ServerCredentials.createInsecure() }: FakeOptions = {},
  ): Promise<FakeServer> {
    const fake = new FakeServer(unaries, streams);
    fake.#port = await new Promise((resolve, reject) => {
      fake.#server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
    onTestFinished(() => fake.#server.forceShutdown());
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** A client of this server, closed when the test ends. */
  client(options: Partial<ClientOptions> = {}): OrderNumbersClient {
    return clientOf(this.address, options);
  }

  /** Cuts all connections, and accepts no more. */
  stop(): void {
    this.#server.forceShutdown();
  }

  /** Resolves to the call with this number, counted from 1, as soon as it has arrived. */
  async call(number: number): Promise<Seen> {
    while (this.seen.length < number) await new Promise<void>((resolve) => void this.#onCall.push(resolve));
    return this.seen[number - 1]!;
  }

  #note(method: string, call: AnyCall): number {
    const cancelled = Promise.withResolvers<void>();
    (call as EventEmitter).once('cancelled', () => cancelled.resolve());
    this.seen.push({
      method,
      request: { ...call.request },
      authorization: call.metadata.get('authorization')[0],
      msLeft: Number(call.getDeadline()) - Date.now(),
      atMs: performance.now(),
      cancelled: cancelled.promise,
    });
    for (const wake of this.#onCall.splice(0)) wake();
    return this.seen.filter((seen) => seen.method === method).length;
  }

  #unary(name: string, script: Script<Ending>) {
    return (call: ServerUnaryCall<object, object>, answer: (error: object | null, response?: object) => void) => {
      void Promise.resolve(step(script, this.#note(name, call), call.request)).then((ending) => {
        if (ending === 'silence') return;
        if ('response' in ending) answer(null, ending.response);
        else answer(ending.refusal);
      });
    };
  }

  #stream(name: string, script: Script<StreamScript>) {
    return async (call: ServerWritableStream<object, object>) => {
      const { messages, ending } = await step(script, this.#note(name, call), call.request);
      for (const message of messages) call.write(message);
      if (ending === 'end') call.end();
      else if (ending !== 'silence') call.emit('error', ending);
    };
  }
}

/** A client that is closed when the test ends. */
export function clientOf(address: string, options: Partial<ClientOptions> = {}): OrderNumbersClient {
  const client = createClient({ address, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A refusal exactly as the real server sends it. */
export function ours(reason: Reason, fields: Readonly<Record<string, string>> = {}): Ending {
  return { refusal: toStatus(new OrderError(reason, `refused: ${reason}`, { fields }), true) };
}

/** A status without any details, as proxies and libraries send it. */
export function bare(code: status): Ending {
  return { refusal: { code, details: 'from a proxy' } };
}

/** A status with details of any kind. */
export function detailed(
  code: status,
  info: { readonly reason: string; readonly domain: string },
  retryDelayMs?: number,
): Ending {
  const details = [pack('google.rpc.ErrorInfo', ErrorInfo.encode({ ...info, metadata: {} }).finish())];
  if (retryDelayMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.trunc(retryDelayMs / 1000)), nanos: (retryDelayMs % 1000) * 1e6 };
    details.push(pack('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay }).finish()));
  }
  return withTrailer(code, Status.encode({ code, message: info.reason, details }).finish());
}

/** A status whose details are these bytes. */
export function withTrailer(code: status, bytes: Uint8Array): Ending {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(bytes));
  return { refusal: { code, details: 'with details', metadata } };
}

/** An allocation as the server sends it. */
export function allocation(orderId: bigint, more: Partial<Allocation> = {}): Allocation {
  return {
    orderId,
    storeId: 1n,
    orderNumber: 99n + orderId,
    count: 1,
    displayNumber: String(99n + orderId),
    prefix: '',
    suffix: '',
    minDigits: 0,
    requestId: `order-${orderId}`,
    createTime: { seconds: 1_700_000_000n, nanos: 123_000_000 },
    caller: '',
    ...more,
  };
}

/** A store as the server sends it. */
export function store(storeId: bigint, more: Partial<Store> = {}): Store {
  return {
    storeId,
    firstNumber: 100n,
    nextNumber: 100n,
    prefix: '',
    suffix: '',
    minDigits: 0,
    createTime: { seconds: 1_700_000_000n, nanos: 0 },
    ...more,
  };
}

/** One result of a batch, as the server answers it. */
export function resultOf(ending: Exclude<Ending, 'silence'>): BatchAllocateOrdersResult {
  if ('response' in ending) return { result: { $case: 'response', value: ending.response as AllocateOrdersResponse } };
  const { code = 0, details = '', metadata } = ending.refusal;
  const trailer = metadata?.get('grpc-status-details-bin')[0];
  const value = trailer instanceof Buffer ? Status.decode(trailer) : { code, message: details, details: [] };
  return { result: { $case: 'status', value } };
}

function step<T>(script: Script<T>, number: number, request: object): T | Promise<T> {
  const current = script[Math.min(number, script.length) - 1]!;
  return typeof current === 'function' ? (current as (request: object) => T | Promise<T>)(request) : current;
}

function pack(type: string, value: Uint8Array) {
  return { typeUrl: `type.googleapis.com/${type}`, value };
}
