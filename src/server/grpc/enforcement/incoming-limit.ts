import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { MAX_INCOMING_BYTES } from '../../limits.ts';

/**
 * Bounds the memory of messages that are not complete: a client may begin many large ones, and end none. The oldest
 * has to go, because an honest one is complete soon.
 */
export class IncomingLimit {
  /** What has come in of each, the oldest first. */
  readonly #unfinished = new Map<ServerHttp2Stream, number>();
  #bytes = 0;

  /** Call it before anything of the stream is read. */
  watch(stream: ServerHttp2Stream): void {
    this.#unfinished.set(stream, 0);
    stream.on('data', (chunk: Buffer) => this.#add(stream, chunk.length));
    const forget = () => this.#forget(stream);
    stream.once('end', forget);
    stream.once('close', forget);
  }

  #add(stream: ServerHttp2Stream, bytes: number): void {
    const before = this.#unfinished.get(stream);
    if (before === undefined) return;
    this.#unfinished.set(stream, before + bytes);
    this.#bytes += bytes;
    for (const oldest of this.#unfinished.keys()) {
      if (this.#bytes <= MAX_INCOMING_BYTES) return;
      this.#forget(oldest);
      // Its client sees RESOURCE_EXHAUSTED, and may retry.
      oldest.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  #forget(stream: ServerHttp2Stream): void {
    this.#bytes -= this.#unfinished.get(stream) ?? 0;
    this.#unfinished.delete(stream);
  }
}
