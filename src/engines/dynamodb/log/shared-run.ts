/** Runs work so that each caller gets a run that began after its call: one at a time, and the next one is shared. */
export class SharedRun<Result> {
  readonly #work: () => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;

  constructor(work: () => Promise<Result>) {
    this.#work = work;
  }

  fromNow(): Promise<Result> {
    if (!this.#running) {
      const running = this.#work();
      const ended = () => {
        if (this.#running === running) this.#running = undefined;
      };
      this.#running = running;
      running.then(ended, ended);
      return running;
    }
    if (!this.#next) {
      const start = () => {
        this.#next = undefined;
        this.#running = undefined;
        return this.fromNow();
      };
      this.#next = this.#running.then(start, start);
    }
    return this.#next;
  }
}
