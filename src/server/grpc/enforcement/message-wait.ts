import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { MESSAGE_WAIT_MS } from '../../limits.ts';
import type { StreamCheck } from './open-streams.ts';

/**
 * Ends calls whose clients do not complete their message: each takes memory, and one of the calls of its connection.
 * A call that the last check has seen waiting, too, has waited for MESSAGE_WAIT_MS to twice as long.
 */
export class MessageWait implements StreamCheck {
  readonly everyMs = MESSAGE_WAIT_MS;
  #waiting = new WeakSet<ServerHttp2Stream>();

  check(open: ReadonlySet<ServerHttp2Stream>): void {
    const waiting = new WeakSet<ServerHttp2Stream>();
    for (const stream of open) {
      // A client that sends several messages, as for reflection, has had an answer to the first one.
      if (stream.readableEnded || stream.headersSent) continue;
      if (this.#waiting.has(stream)) stream.close(constants.NGHTTP2_CANCEL);
      else waiting.add(stream);
    }
    this.#waiting = waiting;
  }
}
