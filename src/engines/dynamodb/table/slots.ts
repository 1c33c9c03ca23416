import { NotWanted } from './failures.ts';

/** Runs at most `count` tasks at the same time; the others wait, and begin in their order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Rejects with NotWanted, and does nothing, if the signal is aborted when it is this task's turn. */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (signal?.aborted) throw new NotWanted('it is not wanted any more');
      return await task();
    } finally {
      // The next task that waits takes the place at once, so that a new one cannot take it first.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
