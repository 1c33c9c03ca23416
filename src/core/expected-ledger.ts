import { LedgerRefused } from './errors.ts';

/** Which ledger an operator means to serve. */
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
    `there is no ledger in ${where}, and ${wanted}: check --ledger, and that its disk or database is the right one; ` +
      'a new ledger would number from order_id 1',
  );
}

/** Throws LedgerRefused for a ledger other than the expected one. */
export function requireExpectedId(where: string, found: string, { ledgerId }: ExpectedLedger): void {
  if (ledgerId === undefined || ledgerId === found) return;
  throw new LedgerRefused(
    `${where} is ledger ${found}, but --expect-ledger-id is ${ledgerId}: check --ledger, or expect the other one`,
  );
}
