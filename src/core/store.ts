import { DEFAULT_FIRST_NUMBER, INT64_MAX } from './allocation.ts';
import { OrderError } from './errors.ts';

/** Digits that display_number pads to, at most: those of 2^63-1. */
export const MAX_DIGITS = 19;
const MAX_AFFIX_LENGTH = 32;
const AFFIX = /^[\x20-\x7e]*$/;

/** How a store's numbers look to its customers. */
export interface StoreStyle {
  /** Up to 32 printable ASCII characters, and so is `suffix`. */
  readonly prefix: string;
  readonly suffix: string;
  /** 0 to {@link MAX_DIGITS}. */
  readonly minDigits: number;
}

/** What a store is created with. */
export interface StoreSettings extends StoreStyle {
  /** 1 to 2^63-1. */
  readonly storeId: bigint;
  /** 1 to 2^63-1. Fixed from the first allocation on. */
  readonly firstNumber: bigint;
}

/** A shop with a sequence of its own. */
export interface Store extends StoreSettings {
  /** The last number given; firstNumber - 1 if none was given yet. */
  readonly lastNumber: bigint;
  /** Whole milliseconds since 1970. */
  readonly createTimeMs: number;
}

/** A store before and after one change. */
export interface ChangedStore {
  readonly before: Store;
  readonly after: Store;
}

/** New values for some of a store's settings; the others stay. */
export type StoreChanges = { readonly [K in keyof Omit<StoreSettings, 'storeId'>]?: StoreSettings[K] | undefined };

/** The settings of a store that is created by its first allocation. */
export const DEFAULT_STORE: Omit<StoreSettings, 'storeId'> = {
  firstNumber: DEFAULT_FIRST_NUMBER,
  prefix: '',
  suffix: '',
  minDigits: 0,
};

/** Throws STORE_FIELD_INVALID if one of the values is out of its bounds. */
export function checkStoreChanges({ firstNumber, prefix, suffix, minDigits }: StoreChanges): void {
  if (firstNumber !== undefined && (firstNumber < 1n || firstNumber > INT64_MAX)) {
    throw invalid('first_number', String(firstNumber), 'it must be 1 to 2^63-1');
  }
  checkAffix('prefix', prefix ?? '');
  checkAffix('suffix', suffix ?? '');
  if (minDigits !== undefined && !(Number.isInteger(minDigits) && minDigits >= 0 && minDigits <= MAX_DIGITS)) {
    throw invalid('min_digits', String(minDigits), `it must be 0 to ${MAX_DIGITS}`);
  }
}

function checkAffix(field: string, text: string): void {
  if (text.length <= MAX_AFFIX_LENGTH && AFFIX.test(text)) return;
  throw invalid(field, text, `it must be up to ${MAX_AFFIX_LENGTH} printable ASCII characters`);
}

function invalid(field: string, value: string, rule: string): OrderError {
  return new OrderError('STORE_FIELD_INVALID', `${field} ${JSON.stringify(value.slice(0, 64))} is not valid: ${rule}`, {
    fields: { [field]: value },
  });
}
