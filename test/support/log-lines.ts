import { vi } from 'vitest';

/** In the order of their numbers: 10 is trace, 60 is fatal. */
const LEVELS = ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** A line of the server's log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** What a server logged so far. Lines that are not JSON have the level 0. */
export class LogLines {
  readonly all: LogLine[] = [];
  readonly #onLine = new Set<() => void>();

  add(line: string): void {
    if (isOfSlowMachine(line)) return;
    this.all.push(parseLine(line));
    for (const listener of this.#onLine) listener();
  }

  /** Resolves to the first line with this message, past or future; rejects with what `ended` resolves to. */
  async first(message: string | RegExp, ended: Promise<string>): Promise<LogLine> {
    const matches = (line: LogLine) => (typeof message === 'string' ? line.msg === message : message.test(line.msg));
    const found = Promise.withResolvers<LogLine>();
    const look = () => {
      const line = this.all.find(matches);
      if (line) found.resolve(line);
    };
    look();
    this.#onLine.add(look);
    void ended.then((why) => found.reject(new Error(why)));
    try {
      return await found.promise;
    } finally {
      this.#onLine.delete(look);
    }
  }
}

/** Whether a line says that a call was slow: on a slow machine any is, unless the test's own clock says how long it took. */
export function isOfSlowMachine(line: string): boolean {
  return line.includes('"msg":"slow call"') && !vi.isFakeTimers();
}

function parseLine(line: string): LogLine {
  try {
    const parsed = JSON.parse(line) as { readonly level: string; readonly msg: string };
    return { ...parsed, level: LEVELS.indexOf(parsed.level) * 10 };
  } catch {
    return { level: 0, msg: line };
  }
}
