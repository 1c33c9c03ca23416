import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A put of a log entry: what commits a batch. */
const LOG_PUT = /"log#\d+"/;

/** How old or new a signature may be: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html */
const MAX_SKEW_MS = 5 * 60_000;

type Answer = { readonly status: number; readonly body: string };

/** The network between servers and DynamoDB, and what goes wrong with it. */
export class DynamodbProxy {
  readonly #upstream: URL;
  readonly #server = createServer((asked, answer) => void this.#pass(asked, answer));
  #port = 0;
  #held: { readonly begun: PromiseWithResolvers<void>; readonly released: PromiseWithResolvers<void> } | undefined;
  #failsNext = false;
  readonly #denied = new Set<string>();
  readonly #ignored = new Set<string>();
  #unanswered = 0;
  /** Requests that were ignored at the same time, at most. */
  mostUnanswered = 0;
  #onNextCommitted: (() => void) | undefined;
  #aheadMs = 0;

  private constructor(endpoint: string) {
    this.#upstream = new URL(endpoint);
  }

  static async start(endpoint: string): Promise<DynamodbProxy> {
    const proxy = new DynamodbProxy(endpoint);
    await proxy.allow();
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends all connections, and refuses new ones. */
  refuse(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async allow(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Puts of the log wait from now on, until {@link release}. */
  hold(): void {
    this.#held = { begun: Promise.withResolvers(), released: Promise.withResolvers() };
  }

  /** Resolves when one waits. */
  async isHeld(): Promise<void> {
    await this.#held?.begun.promise;
  }

  release(): void {
    this.#held?.released.resolve();
    this.#held = undefined;
  }

  /** The next put of the log that arrives is refused as invalid. */
  failNext(): void {
    this.#failsNext = true;
  }

  /** From now on, nobody has the right to do this, such as BatchWriteItem. */
  deny(action: string): void {
    this.#denied.add(action);
  }

  /** From now on, a request of this kind gets no answer, and is not done. */
  ignore(action: string): void {
    this.#ignored.add(action);
  }

  allowAll(): void {
    this.#denied.clear();
  }

  /** From now on the clock of AWS is ahead of the one here by so much, and it refuses what was signed too long ago. */
  setClockAhead(ms: number): void {
    this.#aheadMs = ms;
  }

  /** The next put of the log is done, and its answer is lost. */
  loseNextAnswer(onCommitted: () => void): void {
    this.#onNextCommitted = onCommitted;
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await text(asked);
    const time = Date.now() + this.#aheadMs;
    answer.setHeader('date', new Date(time).toUTCString());
    if (Math.abs(time - signedAt(asked)) > MAX_SKEW_MS) {
      const { status, body: refused } = skewed(asked);
      answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(refused);
      return;
    }
    const isPut = String(asked.headers['x-amz-target']).endsWith('.PutItem') && LOG_PUT.test(body);
    const fails = isPut && this.#failsNext;
    if (fails) this.#failsNext = false;
    if (isPut && !fails && this.#held) {
      const { begun, released } = this.#held;
      begun.resolve();
      await released.promise;
    }
    const action = String(asked.headers['x-amz-target']).split('.').at(-1)!;
    if (this.#ignored.has(action)) {
      this.mostUnanswered = Math.max(this.mostUnanswered, ++this.#unanswered);
      answer.on('close', () => this.#unanswered--);
      return;
    }
    const isDenied = this.#denied.has(action);
    const { status, body: answered } = isDenied ? denied(action) : fails ? invalid() : await this.#ask(asked, body);
    const onCommitted = isPut && !fails ? this.#onNextCommitted : undefined;
    if (onCommitted) {
      this.#onNextCommitted = undefined;
      onCommitted();
      answer.destroy();
      return;
    }
    answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
    answer.end(answered);
  }

  /** Even if the client has gone meanwhile: what it sent arrives. */
  async #ask(asked: IncomingMessage, body: string): Promise<Answer> {
    const { hostname, port } = this.#upstream;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { headers, method } = asked;
    request({ hostname, port, method, path: '/', headers }, resolve).on('error', reject).end(body);
    const response = await promise;
    return { status: response.statusCode ?? 500, body: await text(response) };
  }
}

/** The time in the signature, such as 20261127T101112Z. */
function signedAt({ headers }: IncomingMessage): number {
  const [date, time] = String(headers['x-amz-date']).split('T');
  return Date.parse(`${date!.replace(/(....)(..)/, '$1-$2-')}T${time!.replace(/(..)(..)/, '$1:$2:')}`);
}

function skewed({ headers }: IncomingMessage): Answer {
  const message = `Signature expired: ${String(headers['x-amz-date'])} is now earlier than 5 minutes ago`;
  return refusal('com.amazon.coral.service#InvalidSignatureException', message);
}

function invalid(): Answer {
  return refusal('com.amazon.coral.validate#ValidationException', 'this put fails');
}

function denied(action: string): Answer {
  return refusal('com.amazon.coral.service#AccessDeniedException', `not authorized to perform: dynamodb:${action}`);
}

function refusal(type: string, message: string): Answer {
  return { status: 400, body: JSON.stringify({ __type: type, message }) };
}
