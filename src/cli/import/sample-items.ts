import { INT64_MAX } from '../../core/allocation.ts';
import type { StoreSink } from '../../core/move/imported-store.ts';
import { isJsonObject } from '../../core/text/json-text.ts';
import type { Problems } from './import-rows.ts';
import { checkedNumber } from './import-rows.ts';

/** The store id under which the sample keeps the counter over all stores. */
const GLOBAL_STORE_ID = 0n;

export type JsonObject = Readonly<Record<string, unknown>>;

/** The items of the original sample's table: checks them one by one, and at the end as a whole. */
export class SampleItems {
  readonly #stores: StoreSink;
  readonly #problems: Problems;
  readonly #placeOf: (at: number) => string;
  #global: { readonly at: number; readonly nextOrderId: bigint | undefined } | undefined;
  #highest: { readonly at: number; readonly orderId: bigint } | undefined;
  #lastAt = 0;

  constructor(stores: StoreSink, problems: Problems, place: (at: number) => string) {
    this.#stores = stores;
    this.#problems = problems;
    this.#placeOf = place;
  }

  add(item: JsonObject, at: number): void {
    this.#lastAt = at;
    const storeId = this.#number(item, 'StoreID', at);
    if (storeId === undefined) return;
    if (storeId !== GLOBAL_STORE_ID) {
      this.#addStore(item, storeId, at);
      const orderId = orderIdOf(item);
      if (orderId !== undefined && orderId > (this.#highest?.orderId ?? 0n)) this.#highest = { at, orderId };
    } else if (this.#global) {
      this.#add(at, `StoreID 0 is already on ${this.#placeOf(this.#global.at)}: keep one of them`);
    } else this.#global = { at, nextOrderId: this.#next(item, 'OrderID', at) };
  }

  /** The next order_id. */
  finish(isWhole: boolean): bigint {
    const global = this.#global;
    if (this.#lastAt === 0) this.#problems.refuse('it has no item: check that this is the table of the sample');
    if (!global) {
      this.#add(
        this.#lastAt,
        'the item with StoreID 0, which has the last OrderID, is missing: check that this is the table of the sample; ' +
          'of an export, give the whole table',
      );
    }
    const highest = this.#highest?.orderId ?? 0n;
    const last = global?.nextOrderId === undefined ? undefined : global.nextOrderId - 1n;
    if (last !== undefined && this.#highest && highest > last) {
      this.#add(
        this.#highest.at,
        `OrderID ${highest} is above the ${last} of StoreID 0, and would be given again: stop the sample, then read ` +
          'the table again',
      );
    }
    // The missing item may be among the bad ones.
    this.#problems.throwIfAny();
    if (global && last !== undefined && highest < last && !isWhole) {
      const found = this.#highest ? `the highest is ${highest}` : 'none has an OrderID';
      this.#add(
        global.at,
        `no store has the last OrderID, ${last} (${found}), so a part of the table may be missing, and its stores would ` +
          'restart: give all files of the export, or its folder, or --whole-table if the table is complete',
      );
    }
    this.#problems.throwIfAny();
    if (last === undefined) throw new Error('an item without a problem has no number');
    return last + 1n;
  }

  #addStore(item: JsonObject, storeId: bigint, at: number): void {
    const nextNumber = this.#next(item, 'OrderNumber', at);
    if (nextNumber === undefined) return;
    const before = this.#stores.add({ storeId, nextNumber }, at);
    if (before !== undefined)
      this.#add(at, `StoreID ${storeId} is already on ${this.#placeOf(before)}: keep one of them`);
  }

  #number(item: JsonObject, name: string, at: number, most?: bigint): bigint | undefined {
    const bounds = { name, at: this.#placeOf(at), least: 0n, ...(most !== undefined && { most }) };
    return checkedNumber(wholeOf(numberOf(item[name])), bounds, this.#problems);
  }

  /** One above the last number given. */
  #next(item: JsonObject, name: string, at: number): bigint | undefined {
    const last = this.#number(item, name, at, INT64_MAX - 1n);
    return last === undefined ? undefined : last + 1n;
  }

  #add(at: number, problem: string): void {
    this.#problems.add(this.#placeOf(at), problem);
  }
}

/** The last OrderID of a store, if its item has one. */
function orderIdOf(item: JsonObject): bigint | undefined {
  const digits = wholeOf(numberOf(item['OrderID']));
  return typeof digits === 'string' && /^\d+$/.test(digits) ? BigInt(digits) : undefined;
}

/** The digits of a whole number that is written with a fraction or an exponent, as an export may: 5E+2 is 500. */
function wholeOf(text: unknown): unknown {
  const match = typeof text === 'string' && /^(\d{1,40})(?:\.(\d{1,40}))?(?:e([+-]?\d{1,3}))?$/i.exec(text);
  if (!match) return text;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length;
  if (shift >= 0) return `${digits}${'0'.repeat(shift)}`.replace(/^0+(?=\d)/, '');
  const kept = digits.padStart(1 - shift, '0');
  return /^0*$/.test(kept.slice(shift)) ? kept.slice(0, shift).replace(/^0+(?=\d)/, '') : text;
}

/** The digits of a DynamoDB number, or any other attribute unchanged. */
function numberOf(attribute: unknown): unknown {
  return isJsonObject(attribute) && 'N' in attribute ? attribute['N'] : attribute;
}
