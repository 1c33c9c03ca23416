import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { MAX_UNSENT_BYTES, MAX_UNSENT_BYTES_IN_ALL } from '../../limits.ts';
import type { StreamCheck } from './open-streams.ts';

/** Answers of this server grow by less than the bounds between two checks. */
const CHECK_MS = 100;

/**
 * Cuts connections whose clients ask for more than they read: an answer stays in memory until it is read, and with a
 * closed window that never happens.
 */
export class UnsentLimit implements StreamCheck {
  readonly everyMs = CHECK_MS;

  check(open: ReadonlySet<ServerHttp2Stream>): void {
    const unsent = new Map<Http2Session, number>();
    let inAll = 0;
    for (const { session, writableLength } of open) {
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
