/** A range of numbers in a store's sequence, or without storeId in the sequence over all stores. */
export interface NumberRange {
  storeId: bigint | undefined;
  first: bigint;
  last: bigint;
}

/** A step of `verifyLedger`. */
export type VerifyStep =
  /** How far the verification has read. */
  | { kind: 'progress'; rowsRead: bigint; orderId: bigint; endOrderId: bigint }
  /** A sequence read to its end; last is first - 1 if no number was given. */
  | ({ kind: 'sequence'; count: bigint } & NumberRange)
  /** A problem, described in one sentence for people. */
  | ({ kind: 'finding'; findingKind: FindingKind; message: string } & NumberRange)
  /** Numbers skipped after a restore to an older copy: not a hole. */
  | ({ kind: 'declaredLoss' } & NumberRange)
  /** Always the last step. */
  | { kind: 'verdict'; asOfOrderId: bigint; rows: bigint; sequences: bigint; findings: bigint; ok: boolean };

/** What a finding is: `hole` is a gap, `overlap` a duplicate, and `unknown` a kind that is newer than this client. */
export type FindingKind = 'hole' | 'overlap' | 'mismatch' | 'unknown';
