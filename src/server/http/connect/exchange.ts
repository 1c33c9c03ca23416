import type { IncomingMessage } from 'node:http';
import type { ContextKey } from '@connectrpc/connect';
import { createContextKey } from '@connectrpc/connect';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Call } from '../../calls.ts';

/** Where the Connect library passes on the exchange of a call. */
export const EXCHANGE: ContextKey<Exchange | undefined> = createContextKey<Exchange | undefined>(undefined);

/** One request and its answer, as the gate and the method of a call see them. */
export class Exchange implements AsyncIterable<Uint8Array> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The body, once it has arrived. */
  body: Uint8Array = new Uint8Array();
  #entered: Call<IncomingMessage> | undefined;

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.request = request;
    this.reply = reply;
  }

  /** The call, once it is admitted. */
  get entered(): Call<IncomingMessage> {
    if (!this.#entered) throw new Error('a call came in past the gate');
    return this.#entered;
  }

  set entered(call: Call<IncomingMessage>) {
    this.#entered = call;
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
