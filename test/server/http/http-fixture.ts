import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { pino } from 'pino';
import { onTestFinished, vi } from 'vitest';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import type { AllocatorOptions } from '../../../src/core/allocator.ts';
import type { Caller, CallSignal } from '../../../src/core/calls/caller.ts';
import { Allocator } from '../../../src/core/allocator.ts';
import type { Reason } from '../../../src/core/reasons.ts';
import type { HttpServer, HttpServerOptions } from '../../../src/server/http/http-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { OPEN } from '../../../src/server/security/principal.ts';
import { startHttpServer } from '../../../src/server/http/http-server.ts';
import { MemoryDisk, MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { isOfSlowMachine } from '../../support/log-lines.ts';
import { serviceContext } from '../../support/processes/service-context.ts';

export const ORDER_PATH = '/api/generateOrderNumber';
export const BATCH_PATH = '/api/generateOrderNumbers';

/** An answer as it arrived: only the bytes of its text are decoded. */
export interface RawAnswer {
  readonly code: number;
  /** Names in lower case; a repeated header has its last value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A server in this process, on a ledger in memory that waits and fails on demand. */
export class HttpFixture {
  readonly disk = new MemoryDisk();
  readonly ledger = new MemoryLedger(this.disk);
  readonly allocator: WatchedAllocator;
  readonly options: HttpServerOptions;
  readonly log: Record<string, unknown>[] = [];
  /** What was counted: the method and its result. */
  readonly ended: [transport: string, method: string, result: 'OK' | Reason][] = [];
  readonly requests: [transport: string, result: 'OK' | Reason, requests: number][] = [];
  /** Aborted to end the streams, as a server that stops does. */
  readonly stopping = new AbortController();
  isServing = true;
  server!: HttpServer;

  private constructor(options: Partial<AllocatorOptions>, door: Partial<HttpServerOptions>) {
    const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
    this.allocator = new WatchedAllocator({ ledger: this.ledger, ...limits, ...options });
    const write = (line: string) => {
      if (!isOfSlowMachine(line)) this.log.push(JSON.parse(line) as Record<string, unknown>);
    };
    const logger = pino({ level: 'info' }, { write });
    this.options = {
      address: { host: '127.0.0.1', port: 0 },
      hosts: [],
      origins: [],
      requestTimeoutMs: 60_000,
      idleTimeoutMs: 75_000,
      allocator: this.allocator,
      logger,
      methods: orderNumberService(
        serviceContext(this.allocator, this.ledger, { logger, stopping: this.stopping.signal }),
      ),
      authenticator: OPEN,
      failedAttempts: new FailedAttempts(),
      observer: {
        ended: (transport, method, result) => void this.ended.push([transport, method.name, result]),
        requestsEnded: (transport, result, requests) => void this.requests.push([transport, result, requests]),
      },
      requireRequestId: options.requireRequestId ?? false,
      isServing: () => this.isServing,
      ...door,
    };
  }

  static async open(
    options: Partial<AllocatorOptions> = {},
    door: Partial<HttpServerOptions> = {},
  ): Promise<HttpFixture> {
    const fixture = new HttpFixture(options, door);
    fixture.server = await startHttpServer(fixture.options);
    onTestFinished(() => fixture.server.close(0));
    return fixture;
  }

  get port(): number {
    return this.server.address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Requests a number of a store. */
  async order(storeId: number, headers: Record<string, string> = {}): Promise<RawAnswer> {
    return this.post(`{"store_id": ${storeId}}`, headers);
  }

  async post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<RawAnswer> {
    return this.ask(ORDER_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  }

  /** Posts a batch. */
  async batch(body: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
    return this.ask(BATCH_PATH, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  }

  async ask(path: string, init: RequestInit = {}): Promise<RawAnswer> {
    const answer = await fetch(`${this.url}${path}`, init);
    return { code: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
  }

  /** A connection of its own, destroyed when the test ends. */
  async connect(): Promise<RawConnection> {
    const socket = connect(this.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Resolves when this many calls have reached the allocator since the start. */
  async arrived(calls: number): Promise<void> {
    await vi.waitUntil(() => this.allocator.signals.length === calls);
  }
}

/** An allocator that records the signals of its calls. */
class WatchedAllocator extends Allocator {
  /** The signal of each call so far. */
  readonly signals: CallSignal[] = [];

  override enqueue(asked: AllocationRequest, caller: Caller): void {
    this.signals.push(caller.signal);
    super.enqueue(asked, caller);
  }
}

/** A client that sends raw bytes. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  /** Everything received so far. */
  received = '';

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    // The server may well answer with a reset.
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => (this.received += chunk.toString('latin1')));
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Resolves to the answers so far, once there are `count`. */
  async answers(count: number): Promise<RawAnswer[]> {
    await vi.waitUntil(() => parseAnswers(this.received).length >= count);
    return parseAnswers(this.received);
  }

  async answer(): Promise<RawAnswer> {
    const [answer] = await this.answers(1);
    return answer!;
  }
}

/** A request for a number, as bytes. `headers` are whole lines, in Latin-1. */
export function orderRequest(body: string, ...headers: string[]): Buffer {
  const head = [
    `POST ${ORDER_PATH} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]);
}

function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; ;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [status = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const bodyStart = end + 4;
    const length = Number(headers['content-length'] ?? 0);
    if (rest.length < bodyStart + length) return answers;
    answers.push({ code: Number(status.split(' ')[1]), headers, body: rest.slice(bodyStart, bodyStart + length) });
    rest = rest.slice(bodyStart + length);
  }
}
