import type { Moment } from './giving-ledger.ts';
import { GivingLedger } from './giving-ledger.ts';

/** Moments in the life of one ledger, in their order, and of another one. */
export interface Moments {
  /** Stopped, with many numbers. */
  readonly older: Moment;
  /** Right after a checkpoint of a later run, with a few numbers in its WAL. */
  readonly checkpoint: Moment;
  /** More numbers later. */
  readonly later: Moment;
  /** Changes of stores later, which gave no number. */
  readonly restyled: Moment;
  /** Killed at last: everything in the database and the WAL. */
  readonly last: Moment;
  /** Stopped at last: everything in the database. */
  readonly stopped: Moment;
  /** Another ledger, killed; and another time, with changes of stores alone in its WAL. */
  readonly foreign: Moment;
  readonly foreignRestyled: Moment;
}

/** Makes them in this folder. */
export function makeMoments(folder: string): Moments {
  const ledger = new GivingLedger(folder, 'orders');
  ledger.fill();
  const older = ledger.moment();
  ledger.start();
  ledger.give(1, 2, 3);
  ledger.checkpoint();
  ledger.give(4, 5);
  const checkpoint = ledger.moment();
  ledger.give(6, 7, 9);
  ledger.give(7);
  const later = ledger.moment();
  ledger.changeStores('W-');
  const restyled = ledger.moment();
  ledger.give(8, 7);
  ledger.give(12);
  const last = ledger.moment();
  ledger.stop();
  const stopped = ledger.moment();

  const other = new GivingLedger(folder, 'foreign');
  other.fill();
  other.start();
  other.changeStores('F-');
  const foreignRestyled = other.moment();
  other.give(1, 7);
  const foreign = other.moment();
  other.stop();
  return { older, checkpoint, later, restyled, last, stopped, foreign, foreignRestyled };
}
