import type { AllocatorOptions } from '../../../../src/core/allocator.ts';
import { toOrderError } from '../../../../src/core/refusals.ts';
import type { EnteredCall } from '../../../../src/server/methods/entered-call.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import type { ServedMethod } from '../../../../src/server/methods/served-method.ts';
import { EVERY_VERB } from '../../../../src/server/security/principal.ts';
import type {
  AllocateOrderRequest,
  BatchAllocateOrdersRequest,
  BatchAllocateOrdersResponse,
} from '../../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService as service } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { status } from '@grpc/grpc-js';
import { keyOf } from '../../seeded/run-judge.ts';
import type { SimulatedLedger } from '../engine/simulated-ledger.ts';
import { failure } from '../network/rpc.ts';
import { decoded, encoded } from '../network/payload.ts';
import type { ArrivedCall, Payload, Replies, ServerEnd } from '../network/server-end.ts';
import type { Carrier } from './carried-calls.ts';
import { CarriedCall, CarriedStream } from './carried-calls.ts';
import { elapsed } from '../../seeded/time/simulated-time.ts';
import { ObservedAllocator } from './observed-allocator.ts';
import { ServerJudge } from './server-judge.ts';
import type { JudgeRecord } from './server-judge.ts';

/** What the last answers take to leave a server that stops. */
const LAST_ANSWERS_MS = 20;

type Definition = (typeof service)[keyof typeof service];

const METHODS = new Map<string, { readonly name: string; readonly definition: Definition }>(
  Object.entries(service).map(([name, definition]) => [definition.path, { name, definition }]),
);
const BATCH = 'batchAllocateOrders';
const NEVER_CALLED = new Proxy({}, { get: (_, name) => () => void name }) as never;

/** The settings of one life. */
export interface LifeSettings extends Pick<AllocatorOptions, 'maxBatch' | 'maxQueue' | 'maxQueueShare'> {
  /** Whether it is of a release before BatchAllocateOrders. */
  readonly isOld: boolean;
  /** Whether its callers have names. */
  readonly hasNames: boolean;
  /** How long a message of a stream takes to leave, in milliseconds. */
  readonly streamMs: number;
}

/** A process that serves, from its start to its end: the real allocator and the real methods over a simulated ledger. */
export class ServerLife implements ServerEnd {
  readonly name: string;
  readonly judge: ServerJudge;
  isListening = true;
  isAlive = true;
  readonly #settings: LifeSettings;
  readonly #ledger: SimulatedLedger;
  readonly #allocator: ObservedAllocator;
  readonly #methods: Readonly<Record<string, ServedMethod>>;
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  readonly #connections = new Set<{ reset(): void }>();
  readonly #record: LifeRecord;

  constructor(name: string, ledger: SimulatedLedger, settings: LifeSettings, record: LifeRecord) {
    this.name = name;
    this.#settings = settings;
    this.#ledger = ledger;
    this.#record = record;
    this.judge = new ServerJudge({ ...record, limits: settings, isAlive: () => this.isAlive });
    const options = { ...settings, ledger, requireRequestId: false };
    this.#allocator = new ObservedAllocator(options, this.judge);
    this.#methods = orderNumberService({
      allocator: this.#allocator,
      ledger,
      logger: NEVER_CALLED,
      stopping: this.#stopping.signal,
      serverWatch: NEVER_CALLED,
      closing: this.#closing.signal,
    });
  }

  connected(connection: { reset(): void }): void {
    this.#connections.add(connection);
  }

  disconnected(connection: { reset(): void }): void {
    this.#connections.delete(connection);
  }

  /** Cuts one of its connections. Returns false if it has none. */
  resetOne(number: number): boolean {
    const connections = [...this.#connections];
    connections[number % connections.length]?.reset();
    return connections.length > 0;
  }

  receive(path: string, message: Payload, timeoutMs: number, client: number, replies: Replies): ArrivedCall {
    const { name, definition } = METHODS.get(path)!;
    if (!this.isAlive) return { cancel() {} };
    if (name === BATCH && this.#settings.isOld) {
      this.#record.injected('UNIMPLEMENTED batch');
      replies.end(failure(status.UNIMPLEMENTED, `The server does not implement the method ${path}`));
      return { cancel() {} };
    }
    const request: unknown = decoded<unknown>(message, definition.requestDeserialize);
    const served = this.#methods[name]!;
    const asked = name === BATCH ? keysOf(request as BatchAllocateOrdersRequest) : undefined;
    const carrier: Carrier = {
      message: (response) => {
        if (!this.isAlive) return;
        if (asked) this.judge.sent(asked, (response as BatchAllocateOrdersResponse).results);
        replies.message(encoded(response, message instanceof Uint8Array, definition.responseSerialize as never));
        this.#record.replied();
      },
      end: (why) => {
        if (!this.isAlive) return;
        if (why) this.#record.reached(`status ${status[why.code]}`);
        replies.end(why);
        this.#record.replied();
      },
    };
    const entered = this.#entered(client);
    if (served.isStream) {
      const call = new CarriedStream(entered, request, this.#settings.streamMs, carrier);
      served.start(call);
      return call;
    }
    const deadlineMs = Date.now() + timeoutMs;
    const call = new CarriedCall(served.method, entered, request, deadlineMs, carrier);
    served.start(call);
    return call;
  }

  receiveCopy(path: string, message: Payload, timeoutMs: number, client: number): void {
    const { definition } = METHODS.get(path)!;
    const request = decoded<unknown>(message, definition.requestDeserialize) as BatchAllocateOrdersRequest &
      AllocateOrderRequest;
    for (const each of request.requests ?? [request]) this.#record.duplicated(keyOf(each));
    this.receive(path, message, timeoutMs, client, { message() {}, end() {} });
  }

  /** As kill -9 does: nothing that it was about to do is done. */
  kill(): void {
    this.isAlive = false;
    this.isListening = false;
    this.#ledger.kill();
    for (const connection of this.#connections) connection.reset();
  }

  /** As a signal to stop does. Resolves when the process has ended, to whether everything was answered. */
  async drain(limitMs: number): Promise<boolean> {
    this.isListening = false;
    this.#stopping.abort();
    const isDrained = await this.#allocator.drain(limitMs);
    if (!this.isAlive) return false;
    if (isDrained && this.judge.unanswered > 0) {
      this.#record.violated(`a drain has ended with ${this.judge.unanswered} requests that have no answer`);
    }
    // The last answers leave before the connections are closed.
    await elapsed(LAST_ANSWERS_MS);
    if (!this.isAlive) return false;
    this.#closing.abort();
    this.isAlive = false;
    this.#ledger.kill();
    for (const connection of this.#connections) connection.reset();
    return isDrained;
  }

  get queueLength(): number {
    return this.#allocator.queueLength;
  }

  #entered(client: number): EnteredCall {
    const name = this.#settings.hasNames ? `client-${client}` : '';
    return {
      principal: { name, verbs: EVERY_VERB, stores: 'all' },
      origin: name || `connection of ${client}`,
      refusalOf: (thrown) => toOrderError(thrown, true),
      numberedIn: () => {},
      answered: () => {},
      answeredEach: () => {},
      refused: () => {},
      streamed: () => {},
      failed: (error, message) => this.#record.violated(`${message}: ${String(error)}`),
    };
  }
}

/** The method takes its requests out of the message. */
function keysOf({ requests }: BatchAllocateOrdersRequest): string[] {
  return requests.map(keyOf);
}

/** What a life reports to. */
export interface LifeRecord extends Omit<JudgeRecord, 'limits' | 'isAlive'> {
  injected(fault: string): void;
  /** A request has arrived more often than it was sent. */
  duplicated(key: string): void;
  /** An answer has left; may kill the server. */
  replied(): void;
}
