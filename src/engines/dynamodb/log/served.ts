import { LedgerRefused } from '../../../core/errors.ts';
import { placeOf } from '../../../core/move/place.ts';
import type { LedgerView } from './ledger-view.ts';

/** The log itself says that nothing may be numbered in it. A write that meets this has put nothing. */
export class NotServed extends LedgerRefused {}

/** Throws NotServed if nothing may be numbered there. */
export function requireServed(name: string, view: LedgerView): void {
  requireNotMoved(name, view);
  if (view.leavingFor !== undefined) throw leaving(name, view.leavingFor);
  if (view.isMoving)
    throw new NotServed(`a ledger is being moved into ${name}; finish that with order-numbers migrate or import`);
}

/** Throws NotServed if the ledger has gone elsewhere. */
export function requireNotMoved(name: string, { movedTo }: LedgerView): void {
  if (movedTo === undefined) return;
  throw new NotServed(`the ledger of ${name} has moved to ${placeOf(movedTo).name}; serve that one`);
}

/** The refusal of a ledger that is on its way to another place. */
export function leaving(name: string, leavingFor: string): NotServed {
  return new NotServed(
    `the ledger of ${name} is being moved to ${placeOf(leavingFor).name}; finish that with order-numbers migrate, or give ` +
      'it up with --give-up instead of --to',
  );
}
