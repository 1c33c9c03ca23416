import type { Notice } from './service.ts';

/** What a flipped bit in a region of the database can do, for the page's table and for the tests that hold it. */
export interface FlipRow {
  /** The regions of regions.ts that it is about. */
  readonly regions: readonly string[];
  readonly damage: string;
  /** What may notice, each of them for some bits. */
  readonly noticed: readonly Notice[];
  /** What a bit may do that nothing notices. */
  readonly unnoticed: string;
  /** Whether numbering may go on above a hole until the damage is noticed. */
  readonly mayLeaveHole?: boolean;
  /** Whether lookups may be answered wrongly until the damage is noticed. */
  readonly mayReadWrong?: boolean;
  /** Whether a retry may be numbered again until the damage is noticed. */
  readonly mayGiveTwice?: boolean;
}

const LATER: readonly Notice[] = ['verify', 'a read', 'a commit'];

/** In each region other bits have no effect at all. */
export const FLIP_ROWS: readonly FlipRow[] = [
  {
    regions: ['header', 'sqlite_schema, leaf'],
    damage: 'header or the schema of the database',
    noticed: ['refused at start', ...LATER],
    unnoticed: 'a bound or a default in the schema text',
  },
  {
    regions: ['ledger, leaf'],
    damage: 'counter of order_ids',
    noticed: ['refused at start', ...LATER],
    unnoticed: 'create_time stands still',
    mayLeaveHole: true,
  },
  {
    regions: ['stores, interior', 'stores, leaf'],
    damage: 'stores and their counters',
    noticed: ['refused at start', ...LATER],
    unnoticed: 'the format of later display numbers, a create_time',
    mayLeaveHole: true,
    mayReadWrong: true,
    mayGiveTwice: true,
  },
  {
    regions: ['allocations, interior', 'allocations, leaf'],
    damage: 'allocations',
    noticed: ['refused at start', ...LATER],
    unnoticed: 'the format, caller or create_time of one allocation',
    mayReadWrong: true,
    mayGiveTwice: true,
  },
  {
    regions: ['allocations_by_request_id, interior', 'allocations_by_request_id, leaf'],
    damage: 'index of request_ids',
    noticed: ['refused at start', ...LATER],
    unnoticed: '',
    mayReadWrong: true,
    mayGiveTwice: true,
  },
  {
    regions: ['allocations_by_order_number, interior', 'allocations_by_order_number, leaf'],
    damage: 'index of order_numbers',
    noticed: ['refused at start', ...LATER],
    unnoticed: '',
    mayReadWrong: true,
    // A page that points into another index lets this one write into it.
    mayGiveTwice: true,
  },
  {
    regions: ['declared_losses, leaf', 'free list, trunk', 'free list, leaf'],
    damage: 'declared losses or free pages',
    noticed: LATER,
    unnoticed: '',
  },
];
