import { escapeLiteral } from 'pg';
import { LedgerRefused } from '../../../core/errors.ts';
import type { Place } from '../../../core/move/place.ts';
import { placeOf, placeText } from '../../../core/move/place.ts';

/**
 * What the column moving_from begins with where a ledger was moved away from. No server numbers while that column has
 * anything, those of older releases included.
 */
const MOVED_TO = 'moved to ';

/** The text of moving_from that seals a ledger which was moved to this place. */
export function sealText(place: Place): string {
  return MOVED_TO + placeText(place);
}

/** The place that a sealed ledger was moved to; undefined if this text of moving_from is no seal. */
export function placeInSeal(movingFrom: string | null): Place | undefined {
  return movingFrom?.startsWith(MOVED_TO) ? placeOf(movingFrom.slice(MOVED_TO.length)) : undefined;
}

export function movedAway(database: string, { name }: Place): LedgerRefused {
  return new LedgerRefused(`${database} was moved to ${name} and must never number again; serve that one`);
}

/** Lets the database tell servers where its ledger is, instead of that one is being moved in. They call this function. */
export function tellSeal(place: Place): string {
  const why = escapeLiteral(`this ledger was moved to ${place.name} and must never number again; serve that one`);
  return `CREATE OR REPLACE FUNCTION order_numbers.refuse_numbering(expected text) RETURNS void LANGUAGE plpgsql AS
    ${escapeLiteral(`BEGIN RAISE EXCEPTION USING MESSAGE = ${why}, ERRCODE = 'ON001'; END`)}`;
}
