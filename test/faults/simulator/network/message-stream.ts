import type { Rpc, RpcListener } from './rpc.ts';
import type { Payload, WireStatus } from './server-end.ts';
import { decoded } from './payload.ts';

/** A stream of messages, as the library hands it to its caller: they are iterated over. */
export class MessageStream<Message> implements RpcListener, AsyncIterable<Message> {
  rpc: Rpc | undefined;
  readonly #deserialize: (bytes: Buffer) => Message;
  readonly #target: string;
  readonly #messages: Message[] = [];
  #end: { readonly why: WireStatus | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(deserialize: (bytes: Buffer) => Message, target: string) {
    this.#deserialize = deserialize;
    this.#target = target;
  }

  message(payload: Payload): void {
    this.#messages.push(decoded(payload, this.#deserialize));
    this.#wake?.();
  }

  ended(why: WireStatus | undefined): void {
    this.#end = { why };
    this.#wake?.();
  }

  on(): void {}

  cancel(): void {
    this.rpc?.cancel();
  }

  getPeer(): string {
    return this.rpc?.connection?.server.name ?? this.#target;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    for (;;) {
      while (this.#messages.length > 0) yield this.#messages.shift()!;
      if (this.#end) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const { why } = this.#end;
    if (why) throw Object.assign(new Error(`${why.code}: ${why.details}`), why);
  }
}
