import type { Output } from './output.ts';

const UP = (lines: number) => (lines === 0 ? '' : `\u001B[${lines}A`);
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';

/** Lines at a terminal that are redrawn in place; the last ones stay. */
export class LiveFrame {
  readonly #output: Output;
  #lines = 0;

  /** `output` writes to a terminal whose cursor can be moved. */
  constructor(output: Output) {
    this.#output = output;
  }

  /** No line may be wider than the terminal. Rejects as {@link Output.line} does. */
  async draw(lines: readonly string[]): Promise<void> {
    const text = lines.map((line) => `${line}${CLEAR_LINE}`).join('\n');
    const above = this.#lines;
    // Before the lines are out, because the next ones may be drawn meanwhile.
    this.#lines = lines.length;
    await this.#output.line(`${UP(above)}\r${text}${CLEAR_BELOW}`);
    await this.#output.flush();
  }
}
