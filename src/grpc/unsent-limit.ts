import type { Http2Server, Http2Session, Http2Stream } from 'node:http2';
import { constants } from 'node:http2';

/**
 * What the clients of one connection, and of all, may leave untaken of their answers: some 200 full pages of a list, so
 * that a client behind a slow network that asks for many at once is served.
 */
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_BYTES_IN_ALL = 64 * 1024 * 1024;
/** Answers of this server grow by less than the bounds between two looks. */
const LOOK_MS = 100;

/**
 * Cuts connections whose clients ask for more than they take: an answer stays in memory until it is taken, and with a
 * closed window that is never.
 */
export class UnsentLimit {
  readonly #streams = new Map<Http2Session, Set<Http2Stream>>();
  #timer: NodeJS.Timeout | undefined;

  watch(server: Http2Server): void {
    server.on('session', (session) => {
      this.#streams.set(session, new Set());
      session.once('close', () => this.#forget(session));
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    });
    server.prependListener('stream', (stream) => {
      const ofSession = stream.session && this.#streams.get(stream.session);
      if (!ofSession) return;
      ofSession.add(stream);
      stream.once('close', () => ofSession.delete(stream));
    });
  }

  #forget(session: Http2Session): void {
    this.#streams.delete(session);
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const unsent = [...this.#streams].map(([session, streams]) => ({ session, bytes: unsentOf(streams) }));
    let inAll = unsent.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { session, bytes } of unsent.toSorted((a, b) => b.bytes - a.bytes)) {
      if (bytes <= MOST_BYTES && inAll <= MOST_BYTES_IN_ALL) return;
      inAll -= bytes;
      session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('answers_not_taken'));
      setImmediate(() => session.destroy());
    }
  }
}

function unsentOf(streams: ReadonlySet<Http2Stream>): number {
  let bytes = 0;
  for (const { writableLength } of streams) bytes += writableLength;
  return bytes;
}
