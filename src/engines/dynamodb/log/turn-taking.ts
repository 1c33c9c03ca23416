import type { LogEntry } from './log-entry.ts';

/** Positions of the log in which another server counts as active. */
const POSITIONS = 64;
/** The shortest pause: a server that is far away may not have had a turn yet, so that nobody knows how long its puts take. */
const MIN_PAUSE_MS = 10;
/** The longest: one put that took seconds, as after a time-out, must not hold up everybody who reads of it. */
const MAX_PAUSE_MS = 500;

/**
 * How servers that share a log leave each other room. The one that has just won a position is ahead at the next one: it
 * knows the head, while the others have to read it. So after a win it pauses for as long as a put of the slowest of the
 * others takes, and as many times longer as that one has lost races before a win, because it needs a longer gap.
 */
export class TurnTaking {
  /** At random, one a process. */
  readonly server: string;
  readonly #last: Pick<LogEntry, 'server' | 'putMs' | 'lostRaces'>[] = [];
  #pauseUntil = 0;

  constructor(server: string) {
    this.server = server;
  }

  /** An entry was added to the log. */
  follow({ server, putMs, lostRaces }: LogEntry): void {
    this.#last.push({ server, putMs, lostRaces });
    if (this.#last.length > POSITIONS) this.#last.shift();
    if (server === this.server) this.#pauseUntil = performance.now() + this.#pauseMs();
  }

  /** In milliseconds from now on; 0 or less if it is this server's turn. */
  get pauseMs(): number {
    return this.#pauseUntil - performance.now();
  }

  #pauseMs(): number {
    const others = Map.groupBy(this.#last, ({ server }) => server);
    others.delete(this.server);
    if (others.size === 0) return 0;
    const needed = [...others.values()].map((entries) => {
      // One slow put among many is no sign of a server that is far away.
      const putMs = entries.map((entry) => entry.putMs).toSorted((a, b) => a - b)[Math.floor(entries.length / 2)]!;
      return Math.max(MIN_PAUSE_MS, putMs) * Math.max(1, ...entries.map(({ lostRaces }) => lostRaces));
    });
    return Math.min(MAX_PAUSE_MS, Math.max(...needed));
  }
}
