import { LedgerRefused } from './errors.ts';

/** Which ledger the operator wants to serve. */
export interface ExpectedLedger {
  /** Whether one may be created if there is none. */
  readonly create: boolean;
  /** The ledger_id that it must have; undefined allows any. */
  readonly ledgerId: string | undefined;
}

export const ANY_LEDGER: ExpectedLedger = { create: true, ledgerId: undefined };

/** Whether a new ledger would be one that is expected: its ledger_id is never known beforehand. */
export function mayCreate({ create, ledgerId }: ExpectedLedger): boolean {
  return create && ledgerId === undefined;
}

/** Refuses to create a ledger; `where` is its place, without secrets. */
export function notCreated(where: string, { ledgerId }: ExpectedLedger): LedgerRefused {
  const wanted = ledgerId === undefined ? '--create is false' : `--expect-ledger-id is ${ledgerId}`;
  return new LedgerRefused(
    `no ledger exists in ${where}, and ${wanted}; check that --ledger names the right disk, database or table, because a new ` +
      'ledger would start at order_id 1',
  );
}

/** Throws LedgerRefused for a ledger other than the expected one. */
export function requireExpectedId(where: string, found: string, { ledgerId }: ExpectedLedger): void {
  if (ledgerId === undefined || ledgerId === found) return;
  throw new LedgerRefused(
    `${where} is ledger ${found}, but --expect-ledger-id is ${ledgerId}; check --ledger, or change --expect-ledger-id`,
  );
}
