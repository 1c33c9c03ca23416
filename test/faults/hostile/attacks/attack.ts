/** Where an attack goes, and how it says what it did. */
export interface Target {
  readonly grpc: string;
  readonly http: string;
  /** Decides whatever is random in it. */
  readonly seed: number;
  /** Something was done to the server, this many times. */
  did(times: number): void;
}

/** Goes on until its thread is ended. */
export type Attack = (target: Target) => Promise<void>;

/** Runs several copies at the same time, each with a seed of its own. */
export function times(copies: number, attack: Attack): Attack {
  return async (target) => {
    const seeds = Array.from({ length: copies }, (_, copy) => target.seed + copy);
    await Promise.all(seeds.map((seed) => attack({ ...target, seed })));
  };
}

export const SERVICE = '/orders.v1.OrderNumberService';
/** The store of requests that an attack may number: not one of the honest clients'. */
export const ATTACK_STORE = 99n;
/** How many request_ids attacks use. */
export const ATTACK_KEYS = 1000;

export function attackKey(i: number): string {
  return `attack-${i % ATTACK_KEYS}`;
}
