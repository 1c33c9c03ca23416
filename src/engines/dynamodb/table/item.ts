import { OrderError } from '../../../core/errors.ts';

/** The key of an item: its partition, and its place there, a decimal number as text. */
export interface Key {
  readonly partition: string;
  readonly sort: string;
}

/** Strings, and whole numbers of up to 38 digits. */
export type Attributes = Readonly<Record<string, string | bigint>>;

export interface Item extends Key {
  readonly attributes: Attributes;
}

/** Two keys are the same if these texts are. */
export function keyText({ partition, sort }: Key): string {
  return `${partition} ${sort}`;
}

/** Throws LEDGER_DAMAGED for an item that this engine has not written. */
export function textOf({ partition, attributes }: Item, name: string): string {
  const value = attributes[name];
  if (typeof value === 'string') return value;
  throw damaged(partition, `text ${name}`);
}

/** Throws LEDGER_DAMAGED for an item that this engine has not written. */
export function integerOf({ partition, attributes }: Item, name: string): bigint {
  const value = attributes[name];
  if (typeof value === 'bigint') return value;
  throw damaged(partition, `number ${name}`);
}

/** The same for a number that need not be there. */
export function optionalIntegerOf(item: Item, name: string): bigint | undefined {
  return item.attributes[name] === undefined ? undefined : integerOf(item, name);
}

/** For numbers that fit a double: counts, times, positions. */
export function numberOf(item: Item, name: string): number {
  return Number(integerOf(item, name));
}

function damaged(partition: string, lacks: string): OrderError {
  return new OrderError('LEDGER_DAMAGED', `the ledger is damaged: its item ${partition} has no ${lacks}`);
}
