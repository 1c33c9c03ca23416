import type { Http2Server, ServerHttp2Stream } from 'node:http2';

/** Checks all open streams at the same time, which costs a call less than a timer of its own. */
export interface StreamCheck {
  readonly everyMs: number;
  check(open: ReadonlySet<ServerHttp2Stream>): void;
}

/** The open streams of HTTP/2 servers. They are checked while there is a connection. */
export class OpenStreams {
  readonly #checks: readonly StreamCheck[];
  readonly #open = new Set<ServerHttp2Stream>();
  #sessions = 0;
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(...checks: readonly StreamCheck[]) {
    this.#checks = checks;
  }

  watch(server: Http2Server): void {
    server.on('session', (session) => {
      if (this.#sessions++ === 0) this.#start();
      session.once('close', () => this.#forgetSession());
    });
    const open = this.#open;
    // One function for all streams, because a closure for each would cost every call.
    function forget(this: ServerHttp2Stream): void {
      open.delete(this);
    }
    server.prependListener('stream', (stream: ServerHttp2Stream) => {
      open.add(stream);
      stream.on('close', forget);
    });
  }

  #start(): void {
    this.#timers = this.#checks.map((one) => setInterval(() => one.check(this.#open), one.everyMs).unref());
  }

  #forgetSession(): void {
    if (--this.#sessions > 0) return;
    for (const timer of this.#timers) clearInterval(timer);
  }
}
