import type { Counts } from '../frame/record.ts';

const MAX_SENTENCES = 100;

/** What is wrong with a history: a sentence each, and how many numbers of which kind. */
export class Findings {
  readonly sentences: string[] = [];
  readonly counts: Pick<Counts, 'lost' | 'twice' | 'holes'> = { lost: 0, twice: 0, holes: 0 };
  #further = 0;

  /** `kind` is what it counts as, if it is one of these. */
  add(sentence: string, kind?: keyof Findings['counts'], times = 1): void {
    if (kind) this.counts[kind] += times;
    if (this.sentences.length < MAX_SENTENCES) this.sentences.push(sentence);
    else this.#further++;
  }

  all(): readonly string[] {
    return this.#further === 0 ? this.sentences : [...this.sentences, `and ${this.#further} further violations`];
  }
}
