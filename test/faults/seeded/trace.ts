/** What happened in a run: a number that two equal runs share, and, if wanted, its lines. */
export class Trace {
  readonly lines: string[] = [];
  readonly #keepsLines: boolean;
  #hash = 0x811c9dc5;

  constructor(keepsLines: boolean) {
    this.#keepsLines = keepsLines;
  }

  /** A number of 32 bits that stands for all lines. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  add(ms: number, what: string, detail: string): void {
    this.#mix(what);
    this.#mix(detail);
    this.#hash = Math.imul(this.#hash ^ (ms * 1000), 0x01000193);
    if (this.#keepsLines) this.lines.push(`${ms.toFixed(2).padStart(9)}  ${what.padEnd(22)} ${detail}`);
  }

  #mix(text: string): void {
    let hash = this.#hash;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#hash = hash;
  }
}
