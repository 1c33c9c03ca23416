import type { SingleBar } from 'cli-progress';

/** Shows people the progress of a long command, one step after the other. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #bar: SingleBar;
  #step: string | undefined;

  /**
   * Resolves to undefined if this is not a terminal, or one whose cursor does not move. `kind` is the value of TERM. Only a
   * command that draws one loads the package for it.
   */
  static async onTerminal(stream: NodeJS.WriteStream, kind: string | undefined): Promise<ProgressBar | undefined> {
    if (!stream.isTTY || kind === 'dumb') return undefined;
    const bars = await import('cli-progress');
    const bar = new bars.SingleBar({
      stream,
      format: '{step} [{bar}] {percentage}%  {note}',
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      // Its own handlers would swallow Ctrl-C, and a stopped command has to remove what it has begun.
      gracefulExit: false,
      clearOnComplete: true,
      // Other lines are written in between.
      forceRedraw: true,
    });
    return new ProgressBar(stream, bar);
  }

  private constructor(stream: NodeJS.WriteStream, bar: SingleBar) {
    this.#stream = stream;
    this.#bar = bar;
  }

  /** `note` is shown after the bar. */
  update(step: string, done: number, all: number, note = ''): void {
    const payload = { step, note };
    if (step !== this.#step) {
      this.stop();
      this.#bar.start(all, done, payload);
      this.#step = step;
    }
    this.#bar.setTotal(all);
    this.#bar.update(done, payload);
  }

  /** Clears the line for other text; the next update redraws the bar below it. */
  clear(): void {
    if (this.#step !== undefined) this.#stream.write('\r\u001B[K');
  }

  stop(): void {
    if (this.#step !== undefined) this.#bar.stop();
    this.#step = undefined;
  }
}
