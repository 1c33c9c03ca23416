/** A line on its way into the log. */
export interface LogEntry {
  /** Lines of one kind are limited together. */
  readonly kind: string;
  /** Writes it, with the number of lines of its kind that were suppressed since the last one. */
  write(suppressed: number): void;
}

interface Repeated {
  /** The latest one that was not written. */
  latest: LogEntry | undefined;
  suppressed: number;
}

/** Between two lines of a kind. */
const INTERVAL_MS = 1000;
/** Kinds told apart at the same time, at most. */
const MAX_KINDS = 1000;

/**
 * Writes at most one line per second of each kind. Nothing is lost without a trace: the latest suppressed line is
 * written when its second is over, with the number of the others.
 */
export class LogRepeats {
  readonly #kinds = new Map<string, Repeated>();
  readonly #maxKinds: number;

  constructor(maxKinds = MAX_KINDS) {
    this.#maxKinds = maxKinds;
  }

  add(entry: LogEntry): void {
    const isTold = this.#kinds.size < this.#maxKinds || this.#kinds.has(entry.kind);
    const kind = isTold ? entry.kind : 'other';
    const repeated = this.#kinds.get(kind);
    if (!repeated) {
      this.#kinds.set(kind, { latest: undefined, suppressed: 0 });
      this.#lookLater(kind);
      entry.write(0);
      return;
    }
    if (repeated.latest) repeated.suppressed++;
    repeated.latest = entry;
  }

  /** Writes the suppressed lines that are due. */
  flush(): void {
    for (const repeated of this.#kinds.values()) write(repeated);
    this.#kinds.clear();
  }

  #lookLater(kind: string): void {
    setTimeout(() => {
      const repeated = this.#kinds.get(kind);
      if (!repeated?.latest) {
        this.#kinds.delete(kind);
        return;
      }
      write(repeated);
      this.#lookLater(kind);
    }, INTERVAL_MS).unref();
  }
}

function write(repeated: Repeated): void {
  const { latest, suppressed } = repeated;
  repeated.latest = undefined;
  repeated.suppressed = 0;
  latest?.write(suppressed);
}
