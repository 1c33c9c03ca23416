import type { LogEntry } from './log-entry.ts';

/** Positions of the log in which another server counts as active. */
const POSITIONS = 64;
/** The shortest pause: a server that is far away may not have had a turn yet, so that nobody knows how long its puts take. */
const MIN_PAUSE_MS = 10;
/** The longest: one put that took seconds, as after a time-out, must not hold up everybody who reads of it. */
const MAX_PAUSE_MS = 500;

/**
 * How servers that share a log leave each other room. The one that has just won a position is ahead at the next one: it
 * knows the head, while the others have to read it. So after a win it pauses for as long as the slowest put of the others
 * takes; and as many times longer as one of them has lost races before its last win, because that one needs a longer gap.
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
    const others = this.#last.filter(({ server }) => server !== this.server);
    if (others.length === 0) return 0;
    const slowestMs = Math.max(MIN_PAUSE_MS, ...others.map(({ putMs }) => putMs));
    return Math.min(MAX_PAUSE_MS, slowestMs * Math.max(1, ...others.map(({ lostRaces }) => lostRaces)));
  }
}
