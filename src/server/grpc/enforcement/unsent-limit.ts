import type { Http2Server, Http2Session, Http2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { MAX_UNSENT_BYTES, MAX_UNSENT_BYTES_IN_ALL } from '../../limits.ts';

/** Answers of this server grow by less than the bounds between two checks. */
const LOOK_MS = 100;

/**
 * Cuts connections whose clients ask for more than they read: an answer stays in memory until it is read, and with a
 * closed window that never happens.
 */
export class UnsentLimit {
  readonly #open = new Set<Http2Stream>();
  #sessions = 0;
  #timer: NodeJS.Timeout | undefined;

  watch(server: Http2Server): void {
    server.on('session', (session) => {
      this.#sessions++;
      session.once('close', () => this.#forgetSession());
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    });
    const open = this.#open;
    // One function for all streams, because a closure for each would cost every call.
    function forget(this: Http2Stream): void {
      open.delete(this);
    }
    server.prependListener('stream', (stream) => {
      open.add(stream);
      stream.on('close', forget);
    });
  }

  #forgetSession(): void {
    if (--this.#sessions > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const unsent = new Map<Http2Session, number>();
    let inAll = 0;
    for (const { session, writableLength } of this.#open) {
      if (session) unsent.set(session, (unsent.get(session) ?? 0) + writableLength);
      inAll += writableLength;
    }
    for (const [session, bytes] of [...unsent].toSorted(([, one], [, other]) => other - one)) {
      if (bytes <= MAX_UNSENT_BYTES && inAll <= MAX_UNSENT_BYTES_IN_ALL) return;
      inAll -= bytes;
      session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('answers_not_taken'));
      setImmediate(() => session.destroy());
    }
  }
}
