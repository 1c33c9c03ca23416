import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { CALLS_OF_ALL_CONNECTIONS, MAX_CALLS_PER_CONNECTION, MIN_CALLS_PER_CONNECTION } from '../../limits.ts';

/** The part of what the others leave that a new connection gets. */
const PART = 1 / 4;

/**
 * Divides the calls that may be open at the same time among the connections: what is too much waits in the clients,
 * because a call costs the event loop as much if it is refused as if it is answered. A connection keeps its part until
 * it closes: to take some of it back would refuse calls that its client is sending.
 */
export class CallWindows {
  #left = CALLS_OF_ALL_CONNECTIONS;

  /** The library tells each client of {@link MIN_CALLS_PER_CONNECTION} first. */
  watch(server: Http2Server): void {
    server.on('session', (session) => this.#open(session));
  }

  #open(session: ServerHttp2Session): void {
    const part = Math.floor(this.#left * PART);
    const calls = Math.min(MAX_CALLS_PER_CONNECTION, Math.max(MIN_CALLS_PER_CONNECTION, part));
    this.#left -= calls;
    session.settings({ maxConcurrentStreams: calls });
    session.once('close', () => (this.#left += calls));
  }
}
