/** The last message of a verification: what was read, and whether all of it is consistent. */
export interface Verdict {
  readonly kind: 'verdict';
  /** The order_id up to which the ledger was read: its end when the reading began. */
  readonly asOfOrderId: bigint;
  /** Ledger rows read. */
  readonly rows: bigint;
  /** Sequences read: the one over all stores, and one per store. */
  readonly sequences: bigint;
  readonly findings: bigint;
  readonly ok: boolean;
}

/** Numbers of one sequence: a store's, or with no storeId the one over all stores. */
export interface NumberRange {
  readonly storeId: bigint | undefined;
  readonly first: bigint;
  readonly last: bigint;
}

export type FindingKind = 'hole' | 'overlap' | 'mismatch';

/** Something that is wrong with a ledger. */
export interface Finding extends NumberRange {
  readonly kind: 'finding';
  readonly findingKind: FindingKind;
  /** One sentence for people. */
  readonly message: string;
}

/** How far a verification has come. */
export interface VerifyProgress {
  readonly kind: 'progress';
  readonly rowsRead: bigint;
  readonly orderId: bigint;
  readonly endOrderId: bigint;
}

/** What a verification reports, step by step. */
export type VerifyEvent =
  | VerifyProgress
  /** A sequence that was read to its end: `count` of its numbers are covered by rows; last is first - 1 if none is. */
  | (NumberRange & { readonly kind: 'sequence'; readonly count: bigint })
  | Finding
  /** Numbers given up by a deliberate return to an older copy: not a hole. */
  | (NumberRange & { readonly kind: 'declaredLoss' })
  | Verdict;

/** Something that is wrong with numbers of a sequence: a store's, or with no storeId the one over all stores. */
export function mismatch(storeId: bigint | undefined, first: bigint, last: bigint, message: string): Finding {
  return { kind: 'finding', findingKind: 'mismatch', storeId, first, last, message };
}
