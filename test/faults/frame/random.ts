/** Small, fast and seeded: sfc32, whose sequence depends on the seed alone. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = 0x9e3779b9;
    // Neighbouring seeds begin alike.
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    if (!(n >= 1)) throw new RangeError(`nothing is below ${n}`);
    return Math.floor((this.#next() / 2 ** 32) * n);
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** True with this probability, from 0 to 1. */
  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability;
  }

  /** Another sequence, which stays the same however often this one is asked afterwards. */
  fork(): Random {
    return new Random(this.#next() * 2 ** 20 + (this.#next() >>> 12));
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
