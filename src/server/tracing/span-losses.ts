import type { Logger } from '../log/log.ts';

/** How often the log says that spans are lost, at most. */
const LOG_MS = 60_000;

/** Says in the log that spans were lost, and why: each cause at most once a minute. */
export class SpanLosses {
  readonly #logger: Logger;
  readonly #causes = new Map<'failed' | 'full', { lost: number; loggedAt: number; why: string }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `why` is a sentence for operators. */
  add(cause: 'failed' | 'full', spans: number, why: string): void {
    const known = this.#causes.get(cause) ?? { lost: 0, loggedAt: -Infinity, why };
    this.#causes.set(cause, known);
    known.lost += spans;
    known.why = why;
    if (performance.now() - known.loggedAt >= LOG_MS) this.#log(known);
  }

  /** Logs what was not logged yet. */
  flush(): void {
    for (const known of this.#causes.values()) if (known.lost > 0) this.#log(known);
  }

  #log(known: { lost: number; loggedAt: number; why: string }): void {
    this.#logger.warn({ spans_lost: known.lost }, known.why);
    known.lost = 0;
    known.loggedAt = performance.now();
  }
}
