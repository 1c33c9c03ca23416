import type { LogEntry } from './log-entry.ts';

/** Positions of the log in which another server counts as active. */
const POSITIONS = 10;

/**
 * How servers that share a log leave each other room. The one that has just won a position is ahead at the next one: it
 * knows the head, while the others have to read it. So after a win it pauses for as long as the others need, if there
 * are any.
 */
export class TurnTaking {
  /** At random, one a process. */
  readonly server: string;
  readonly #last: LogEntry[] = [];
  #pauseUntil = 0;

  constructor(server: string) {
    this.server = server;
  }

  /** An entry was added to the log. */
  follow(entry: LogEntry): void {
    this.#last.push(entry);
    if (this.#last.length > POSITIONS) this.#last.shift();
    if (entry.server === this.server) this.#pauseUntil = performance.now() + this.#pauseMs();
  }

  /** In milliseconds from now on; 0 or less if it is this server's turn. */
  get pauseMs(): number {
    return this.#pauseUntil - performance.now();
  }

  /** Each of the others wants a turn that takes as long as the slowest put. */
  #pauseMs(): number {
    const others = this.#last.filter(({ server }) => server !== this.server);
    const servers = new Set(others.map(({ server }) => server));
    return servers.size * Math.max(0, ...others.map(({ putMs }) => putMs));
  }
}
