import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { INT64_MAX } from '../../core/allocation.ts';
import { LedgerRefused } from '../../core/errors.ts';
import type { StoreSink } from '../../core/move/imported-store.ts';
import type { JsonSource } from '../../core/text/json-text.ts';
import { isJsonObject, parseJson } from '../../core/text/json-text.ts';
import type { TableFile } from './dynamodb-export.ts';
import { findTable } from './dynamodb-export.ts';
import { Problems, show, checkedNumber } from './import-rows.ts';
import { linesOf, openImport } from './import-source.ts';

/** The store id under which the sample keeps the counter over all stores. */
const GLOBAL_STORE_ID = 0n;

type JsonObject = Readonly<Record<string, unknown>>;

/** Stops an import, and reports its progress. */
interface Reading {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, all: number) => void;
}

/** A place in the table is its file and line, encoded in one number for the sink. */
const LINES_PER_FILE = 2 ** 40;
const LINES_PER_PROGRESS = 1000;
/** Where a JSON number may begin. An export has none: most lines need no reviver. */
const PLAIN_NUMBER = /(?:^|[:[,])\s*-?\d/;

/**
 * Reads the table of the original sample, one item per line: as an export to S3 writes it, without the wrapper "Item",
 * or with plain JSON numbers; compressed or not, in one file or several. Its counters are the last numbers given.
 * Returns the next order_id. Throws LedgerRefused with all problems of the table, and for a partial one: unless a
 * manifest or `isWhole` says that it is complete, some store must have the last OrderID.
 */
export async function readDynamodb(
  paths: readonly string[],
  { isWhole, stores }: { readonly isWhole: boolean; readonly stores: StoreSink },
  { signal, onProgress }: Reading,
): Promise<bigint> {
  const { files, isComplete } = findTable(paths);
  const problems = new Problems(paths.join(' '));
  const table = new Table(stores, problems, (at) => placeOf(at, files));
  const all = files.reduce((sum, { path }) => sum + statSync(path).size, 0);
  let before = 0;
  for (const [i, { path, itemCount }] of files.entries()) {
    const source = openImport(path, { unpacks: true });
    let [line, items] = [0, 0];
    try {
      for await (const text of linesOf(path, source)) {
        signal.throwIfAborted();
        line++;
        if (line % LINES_PER_PROGRESS === 0) onProgress(before + source.bytesRead(), all);
        const item = parseItem(line === 1 ? text.replace(/^\uFEFF/, '') : text, path, line, (problem) =>
          problems.add(placeOf(i * LINES_PER_FILE + line, files), problem),
        );
        if (!item) continue;
        items++;
        table.add(item, i * LINES_PER_FILE + line);
      }
    } finally {
      source.stream.destroy();
    }
    before += source.size;
    if (itemCount !== undefined && itemCount !== items) {
      problems.add(
        placeOf(i * LINES_PER_FILE + line, files),
        `the file has ${items} items, but its manifest counts ${itemCount}: copy it from the export again`,
      );
    }
  }
  return table.finish(isWhole || isComplete);
}

function placeOf(at: number, files: readonly TableFile[]): string {
  const line = `line ${at % LINES_PER_FILE}`;
  return files.length === 1 ? line : `${basename(files[Math.floor(at / LINES_PER_FILE)]!.path)} ${line}`;
}

/** Checks the items of a table one by one, and at the end as a whole. */
class Table {
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
    if (!global) {
      this.#add(
        this.#lastAt,
        'the item with StoreID 0, which has the last OrderID, is missing: export the whole table',
      );
    }
    const highest = this.#highest?.orderId ?? 0n;
    const last = global?.nextOrderId === undefined ? undefined : global.nextOrderId - 1n;
    if (last !== undefined && this.#highest && highest > last) {
      this.#add(
        this.#highest.at,
        `OrderID ${highest} is above the ${last} of StoreID 0, and would be given again: stop the sample, then export ` +
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

/** Undefined for a blank line, and, with a problem, for anything that is not an item. */
function parseItem(
  text: string,
  path: string,
  line: number,
  onProblem: (problem: string) => void,
): JsonObject | undefined {
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = parseJson(text, PLAIN_NUMBER.test(text) ? keepDigits : undefined);
  } catch {
    if (line === 1) throw notLines(text, path);
    onProblem(`${show(text)} is not JSON: write one item per line`);
    return undefined;
  }
  if (line === 1 && isJsonObject(value) && 'Items' in value) throw notLines(text, path);
  const item = isJsonObject(value) && 'Item' in value ? value['Item'] : value;
  if (isJsonObject(item)) return item;
  onProblem(`${show(text)} is not an item: write one item per line, with StoreID and OrderNumber or OrderID`);
  return undefined;
}

/** The whole file has another format, which is reported once. */
function notLines(text: string, path: string): LedgerRefused {
  const remedy = text.startsWith('$ion')
    ? 'is an export in Amazon Ion format: export the table as DYNAMODB_JSON'
    : "does not have one JSON item per line: convert the output of a scan with jq -c '.Items[]'";
  return new LedgerRefused(`nothing was imported: the file ${path} ${remedy}`);
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

/** Plain numbers become DynamoDB's: digits in a string, because a double has only 53 bits. */
function keepDigits(_: string, value: unknown, context?: JsonSource): unknown {
  return typeof value === 'number' ? { N: context?.source } : value;
}

/** The digits of a DynamoDB number, or any other attribute unchanged. */
function numberOf(attribute: unknown): unknown {
  return isJsonObject(attribute) && 'N' in attribute ? attribute['N'] : attribute;
}
