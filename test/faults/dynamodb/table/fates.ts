import type { Random } from '../../seeded/random.ts';

/** What a request is for. */
export type Kind = 'log put' | 'index write' | 'raise' | 'read' | 'admin';

export const FAULTS = [
  'request lost',
  'request late',
  'request twice',
  'answer lost',
  'answer late',
  'throttled',
  'failed before it was done',
  'failed after it was done',
  'partly done',
  'taken, without the item',
] as const;

/** What happens to one request. */
export type Fault = (typeof FAULTS)[number];

/** Those that any request can have. */
export const COMMON: readonly Fault[] = FAULTS.slice(0, -2);

export interface Fate {
  readonly requestMs: number;
  readonly answerMs: number;
  readonly fault: Fault | undefined;
  /** How late a late one is, and the copy of one that arrives twice. */
  readonly lateMs: number;
  /** How long after its first half the other half of a batch is done; undefined if both are at once. */
  readonly restMs: number | undefined;
  /** How old the answer of a read that is not consistent may be. */
  readonly staleMs: number;
  /** What of a batch is done, where it is not all. */
  readonly share: number;
}

/** Draws the fates of requests. */
export class Fates {
  readonly #random: Random;
  #share: number;
  #isCalm = false;
  readonly #paces: readonly number[];
  /** Faults for the next requests of a kind. */
  readonly #aimed: { readonly kind: Kind; readonly fault: Fault }[] = [];

  /** `share` of the requests have a fault; `paceMs` is how long one usually takes. */
  constructor(random: Random, share: number, paceMs: number) {
    this.#random = random;
    this.#share = share;
    this.#paces = [0.25, 0.5, 0.5, 0.75, 1, 1, 2, 8].map((factor) => factor * paceMs);
  }

  aim(kind: Kind, fault: Fault): void {
    this.#aimed.push({ kind, fault });
  }

  /** From now on, no request has a fault, and no read is stale. */
  calm(): void {
    this.#isCalm = true;
    this.#share = 0;
    this.#aimed.length = 0;
  }

  of(kind: Kind): Fate {
    const random = this.#random;
    const aimed = this.#aimed.findIndex((each) => each.kind === kind);
    const fault = aimed >= 0 ? this.#aimed.splice(aimed, 1)[0]!.fault : this.#drawn(kind);
    return {
      requestMs: random.pick(this.#paces),
      answerMs: random.pick(this.#paces),
      fault,
      lateMs: random.pick([40, 400, 2000, 2900, 3100, 5000, 7000]) + random.below(60),
      restMs: random.chance(0.3) ? random.pick(this.#paces) : undefined,
      staleMs: this.#isCalm ? 0 : random.pick([0, 5, 50, 1000]),
      share: random.fraction(),
    };
  }

  #drawn(kind: Kind): Fault | undefined {
    const random = this.#random;
    if (!random.chance(this.#share)) return undefined;
    if (random.chance(0.4)) {
      if (kind === 'log put') return 'taken, without the item';
      if (kind !== 'raise' && kind !== 'admin') return 'partly done';
    }
    return random.pick(COMMON);
  }
}
