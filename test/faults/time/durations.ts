/** How long answers of one kind took. */
export class Durations {
  readonly #what: string;
  readonly #ms: number[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  /** Asks, and resolves to the answer. */
  async of<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const start = performance.now();
    const answer = await ask();
    this.#ms.push(performance.now() - start);
    return answer;
  }

  get medianMs(): number {
    return this.#at(0.5);
  }

  text(): string {
    const [median, most, all] = [0.5, 0.99, 1].map((share) => Math.round(this.#at(share)));
    return `${this.#what} took ${median} ms, 99 of 100 at most ${most} ms, none more than ${all} ms`;
  }

  #at(share: number): number {
    const sorted = this.#ms.toSorted((a, b) => a - b);
    return sorted[Math.floor(share * (sorted.length - 1))]!;
  }
}
