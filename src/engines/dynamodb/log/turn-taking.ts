import type { LogEntry } from './log-entry.ts';

/** Positions of the log in which another server counts as active. */
const POSITIONS = 64;
/**
 * The shortest pause: a server that is far away may not have had a turn yet, and then it is unknown how long its puts
 * take.
 */
const MIN_PAUSE_MS = 10;
/** The longest: one put that took seconds, as after a time-out, must not hold up every server that reads of it. */
const MAX_PAUSE_MS = 500;

/**
 * The pause for a command that has asked for room: at first, because the servers do not all hear of it at once, and at
 * most. It doubles each time that the command asks again, which it does if it is too far away for the last pause.
 */
const FIRST_ROOM_MS = 1000;
const MAX_ROOM_MS = 10_000;
/** If no command has asked for this long, the next one is another command. */
const SAME_COMMAND_MS = 60_000;

/**
 * How servers that share a log leave each other room. The one that has just won a position is ahead at the next one: it
 * knows the head, while the others have to read it. So after a win it pauses for as long as a put of the slowest of the
 * others takes, times the races that the slow one has lost before a win, because it needs a longer gap. A command
 * writes too little for the servers to know it by its entries, so it asks for room.
 */
export class TurnTaking {
  /** Random, one per process. */
  readonly server: string;
  readonly #last: Pick<LogEntry, 'server' | 'putMs' | 'lostRaces'>[] = [];
  #pauseUntil = 0;
  #roomUntil = -Infinity;
  #roomMs = 0;
  /** How often commands had asked when that was read last. */
  #asked: bigint | undefined;

  constructor(server: string) {
    this.server = server;
  }

  /** An entry was added to the log. */
  follow({ server, putMs, lostRaces }: LogEntry): void {
    this.#last.push({ server, putMs, lostRaces });
    if (this.#last.length > POSITIONS) this.#last.shift();
    if (server === this.server) this.#pauseUntil = Math.max(this.#roomUntil, performance.now() + this.#pauseMs());
  }

  /** Commands have asked for room this many times. */
  asked(times: bigint): void {
    // It is unknown how long ago the first one was.
    if (this.#asked !== undefined && times > this.#asked) {
      const now = performance.now();
      const isSame = now - this.#roomUntil < SAME_COMMAND_MS;
      this.#roomMs = isSame ? Math.min(2 * this.#roomMs, MAX_ROOM_MS) : FIRST_ROOM_MS;
      this.#roomUntil = now + this.#roomMs;
      this.#pauseUntil = Math.max(this.#pauseUntil, this.#roomUntil);
    }
    this.#asked = times;
  }

  /** In milliseconds from now; 0 or less if it is this server's turn. */
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
