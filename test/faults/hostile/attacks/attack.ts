/** Where an attack goes, and how it says what it did. */
export interface Target {
  readonly grpc: string;
  readonly http: string;
  /** Something was done to the server, so often. */
  did(times: number): void;
}

/** Goes on until its thread is ended. */
export type Attack = (target: Target) => Promise<void>;

/** Runs several copies at the same time. */
export function times(copies: number, attack: Attack): Attack {
  return async (target) => void (await Promise.all(Array.from({ length: copies }, () => attack(target))));
}

export const SERVICE = '/orders.v1.OrderNumberService';
/** The store of requests that an attack may number: not one of the honest clients'. */
export const ATTACK_STORE = 99n;
/** How many request_ids attacks use. */
export const ATTACK_KEYS = 1000;

export function attackKey(i: number): string {
  return `attack-${i % ATTACK_KEYS}`;
}
