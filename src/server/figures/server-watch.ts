import type { Activity, ActivityMeter } from './activity-meter.ts';

/** Whether a server serves, and what waits in it. */
export interface ServerStatus {
  readonly state: 'serving' | 'ledger closed' | 'draining';
  /** Why it does not serve, as /readyz says it; empty while it serves. */
  readonly reason: string;
  /** 0 while the ledger is open. */
  readonly ledgerClosedSeconds: number;
  /** The highest order_id that this server knows to be given. */
  readonly lastOrderId: bigint;
  /** Requests that wait for a batch. */
  readonly waitingRequests: number;
  /** The version of this package. */
  readonly version: string;
  /** The name of the engine that keeps the ledger. */
  readonly engine: string;
  /** Milliseconds since 1970. */
  readonly startTimeMs: number;
}

/** A server as a watcher sees it. */
export interface ServerFigures extends ServerStatus {
  /** That of the last interval; undefined until the first one is over. */
  readonly activity: Activity | undefined;
}

const INTERVAL_MS = 1000;

/** Shows watchers what a server is doing, once per second. All watchers share the intervals of one meter. */
export class ServerWatch {
  readonly #meter: ActivityMeter;
  readonly #status: () => ServerStatus;
  readonly #wakers = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #activity: Activity | undefined;

  /** `status` is called for each step. The meter runs while there is a watcher. */
  constructor(meter: ActivityMeter, status: () => ServerStatus) {
    this.#meter = meter;
    this.#status = status;
  }

  /** Ends with the signal only. The first step comes at once; a watcher that is slow misses steps. */
  async *watch(signal: AbortSignal): AsyncGenerator<ServerFigures> {
    let news = Promise.withResolvers<void>();
    const wake = () => news.resolve();
    this.#enter(wake);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        // Before the step is taken, so that an interval that ends meanwhile is the next one.
        news = Promise.withResolvers();
        yield { ...this.#status(), activity: this.#activity };
        if (!signal.aborted) await news.promise;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#leave(wake);
    }
  }

  #enter(wake: () => void): void {
    this.#wakers.add(wake);
    if (this.#wakers.size > 1) return;
    this.#meter.start();
    this.#timer = setInterval(() => this.#next(), INTERVAL_MS).unref();
  }

  #next(): void {
    this.#activity = this.#meter.next();
    for (const wake of this.#wakers) wake();
  }

  #leave(wake: () => void): void {
    this.#wakers.delete(wake);
    if (this.#wakers.size > 0) return;
    clearInterval(this.#timer);
    this.#meter.stop();
    this.#activity = undefined;
  }
}
