import type { IncomingMessage } from 'node:http';
import type { ContextKey } from '@connectrpc/connect';
import { createContextKey } from '@connectrpc/connect';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OrderError } from '../../../core/errors.ts';
import type { Call } from '../../calls.ts';

/** Where the Connect library passes on the exchange of a call. */
export const EXCHANGE: ContextKey<Exchange | undefined> = createContextKey<Exchange | undefined>(undefined);

/** One request and its answer, as the gate and the method of a call see them. */
export class Exchange implements AsyncIterable<Uint8Array> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The body, once it has arrived. */
  body: Buffer = Buffer.alloc(0);
  #entered: Call<IncomingMessage> | undefined;

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.request = request;
    this.reply = reply;
  }

  /** Called once the caller is admitted. A call that the library refuses then, for its form, ends with its answer. */
  enter(call: Call<IncomingMessage>): void {
    this.#entered = call;
    this.reply.raw.once('close', () => this.#entered?.refused(unreadable()));
  }

  /** Hands the call over, once, to what ends it. */
  take(): Call<IncomingMessage> {
    const call = this.#entered;
    if (!call) throw new Error('a call has bypassed the gate');
    this.#entered = undefined;
    return call;
  }

  /** Makes this answer the last of its connection. */
  endConnection(): void {
    const { raw } = this.reply;
    if (!raw.headersSent) raw.setHeader('connection', 'close');
  }

  /** What the library reads as the body. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield this.body;
  }
}

function unreadable(): OrderError {
  return new OrderError('REQUEST_MALFORMED', 'the request cannot be read as a message of this method');
}
