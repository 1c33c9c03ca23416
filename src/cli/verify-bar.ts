import { SingleBar } from 'cli-progress';
import type { VerifyProgress } from '../verification.ts';
import { grouped } from './columns.ts';

/** The bar that shows people how far a verification is. */
export class VerifyBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #bar: SingleBar;
  #isStarted = false;

  /** Undefined where nobody would see it. */
  static onTerminal(stream: NodeJS.WriteStream): VerifyBar | undefined {
    return stream.isTTY ? new VerifyBar(stream) : undefined;
  }

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#bar = new SingleBar({
      stream,
      format: 'verifying [{bar}] {percentage}%  {rows} rows',
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      // Its own handlers would swallow Ctrl-C.
      gracefulExit: false,
      clearOnComplete: true,
      // Lines are written in between.
      forceRedraw: true,
    });
  }

  update({ rowsRead, orderId, endOrderId }: VerifyProgress): void {
    // Only drawn: what a double rounds away nobody sees.
    const [position, end] = [Number(orderId), Number(endOrderId)];
    const payload = { rows: grouped(rowsRead) };
    if (!this.#isStarted) this.#bar.start(end, position, payload);
    this.#isStarted = true;
    this.#bar.setTotal(end);
    this.#bar.update(position, payload);
  }

  /** Frees the line for other text; the bar is drawn again below it. */
  clear(): void {
    if (this.#isStarted) this.#stream.write('\r\u001B[K');
  }

  stop(): void {
    if (this.#isStarted) this.#bar.stop();
    this.#isStarted = false;
  }
}
