import type { IncomingMessage } from 'node:http';
import { cancelled, queueFull, requestTooLarge } from '../../../core/refusals.ts';

/** A body that is being read. */
interface Incoming {
  bytes: number;
  drop(): void;
}

/**
 * Reads bodies, and bounds the memory of the incomplete ones: a client may begin many large bodies and finish none. The
 * oldest is dropped, because that of an honest client is soon complete. The server's own time limit ends a body that
 * does not arrive.
 */
export class IncomingBodies {
  readonly #maxBytesInAll: number;
  /** The oldest first. */
  readonly #incoming = new Set<Incoming>();
  #bytes = 0;

  constructor(maxBytesInAll: number) {
    this.#maxBytesInAll = maxBytesInAll;
  }

  /**
   * Resolves to a body once it is complete. Rejects with REQUEST_TOO_LARGE if its message is above `maxBytes`, and with QUEUE_FULL if it
   * has to go; what still arrives is read and dropped then, because closing the connection on it would lose the answer.
   * Rejects with CANCELLED if the client disconnects.
   */
  read(request: IncomingMessage, maxBytes: number, envelopeBytes = 0): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const announced = Number(request.headers['content-length'] ?? 0);
    let chunks: Buffer[] = [];
    const limitBytes = maxBytes + envelopeBytes;
    const tooLarge = (bytes: number) => requestTooLarge(bytes - envelopeBytes, maxBytes);
    const refuse = (error: Error) => {
      chunks = [];
      this.#forget(incoming);
      reject(error);
    };
    const incoming: Incoming = { bytes: 0, drop: () => refuse(queueFull()) };
    this.#incoming.add(incoming);
    request.on('data', (chunk: Buffer) => {
      if (!this.#incoming.has(incoming)) return;
      chunks.push(chunk);
      incoming.bytes += chunk.length;
      this.#bytes += chunk.length;
      if (incoming.bytes > limitBytes) refuse(tooLarge(Math.max(incoming.bytes, announced)));
      else this.#makeRoom();
    });
    request.once('end', () => {
      this.#forget(incoming);
      resolve(Buffer.concat(chunks));
    });
    for (const event of ['close', 'error']) request.once(event, () => refuse(cancelled()));
    if (announced > limitBytes) refuse(tooLarge(announced));
    return promise;
  }

  #makeRoom(): void {
    for (const oldest of this.#incoming) {
      if (this.#bytes <= this.#maxBytesInAll) return;
      oldest.drop();
    }
  }

  #forget(incoming: Incoming): void {
    if (this.#incoming.delete(incoming)) this.#bytes -= incoming.bytes;
  }
}
