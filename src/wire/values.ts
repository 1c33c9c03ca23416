import { ServerState, VerifyFindingKind } from './gen/orders/v1/orders.ts';

// Values that the proto spells in its own way, for both sides.

/** A google.protobuf.Timestamp or Duration. */
export interface WireTime {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Whole milliseconds, since 1970 or of a duration. */
export function toWireTime(ms: number): WireTime {
  return { seconds: BigInt(Math.trunc(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}

/** In milliseconds. */
export function fromWireTime({ seconds, nanos }: WireTime): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/** What a finding of a verification is about. */
export const FINDING_KINDS = {
  hole: VerifyFindingKind.VERIFY_FINDING_KIND_HOLE,
  overlap: VerifyFindingKind.VERIFY_FINDING_KIND_OVERLAP,
  mismatch: VerifyFindingKind.VERIFY_FINDING_KIND_MISMATCH,
} as const;

export type KnownFindingKind = keyof typeof FINDING_KINDS;

/** Undefined for a kind that is newer than this program. */
export function fromFindingKind(kind: VerifyFindingKind): KnownFindingKind | undefined {
  return (Object.keys(FINDING_KINDS) as KnownFindingKind[]).find((name) => FINDING_KINDS[name] === kind);
}

/** Whether a server serves. */
export const SERVER_STATES = {
  serving: ServerState.SERVER_STATE_SERVING,
  'ledger closed': ServerState.SERVER_STATE_LEDGER_CLOSED,
  draining: ServerState.SERVER_STATE_DRAINING,
} as const;

export type KnownServerState = keyof typeof SERVER_STATES;

/** Undefined for a state that is newer than this program. */
export function fromServerState(state: ServerState): KnownServerState | undefined {
  return (Object.keys(SERVER_STATES) as KnownServerState[]).find((name) => SERVER_STATES[name] === state);
}

/** The settings of a store that can be changed, and their paths in an update mask. */
export const STORE_SETTING_PATHS = {
  firstNumber: 'first_number',
  prefix: 'prefix',
  suffix: 'suffix',
  minDigits: 'min_digits',
} as const;

export type StoreSetting = keyof typeof STORE_SETTING_PATHS;
export const STORE_SETTINGS = Object.keys(STORE_SETTING_PATHS) as readonly StoreSetting[];
