import { createInterface } from 'node:readline';
import { INT64_MAX } from '../allocation.ts';
import type { ImportStaging } from '../engines/sqlite/import-staging.ts';
import { LedgerRefused } from '../errors.ts';
import { openImport, Problems, show, wholeNumber } from './import-rows.ts';

/** How a gzip file begins, read as UTF-8. */
const GZIP = '\u001f\ufffd';
/** The store id under which the sample keeps the counter over all stores. */
const GLOBAL_STORE_ID = 0n;

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads the table of the original sample, one item a line: as an export to S3 writes it, without the wrapper
 * "Item", or with plain JSON numbers. Its counters are the last numbers given. Returns the next order_id.
 * Throws LedgerRefused with all problems of the file.
 */
export async function readDynamodb(
  path: string,
  staging: ImportStaging,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (done: number, all: number) => void },
): Promise<bigint> {
  const problems = new Problems(path);
  const file = openImport(path, onProgress);
  let global: { line: number; nextOrderId: bigint | undefined } | undefined;
  let line = 0;
  let highest: { line: number; orderId: bigint } | undefined;
  try {
    for await (const text of createInterface({ input: file, crlfDelay: Infinity })) {
      signal.throwIfAborted();
      line++;
      const item = parseItem(line === 1 ? text.replace(/^\uFEFF/, '') : text, line, problems);
      if (!item) continue;
      const storeId = wholeNumber(numberOf(item['StoreID']), { name: 'StoreID', line, least: 0n }, problems);
      if (storeId === undefined) continue;
      if (storeId !== GLOBAL_STORE_ID) {
        addStore(item, storeId, line, staging, problems);
        const orderId = orderIdOf(item);
        if (orderId !== undefined && orderId > (highest?.orderId ?? 0n)) highest = { line, orderId };
      } else if (global) problems.add(line, `StoreID 0 is on line ${global.line} already: keep one of them`);
      else global = { line, nextOrderId: nextOf(item, 'OrderID', line, problems) };
    }
  } finally {
    file.destroy();
  }
  if (!global) {
    problems.add(line, 'the item with StoreID 0 is missing, which has the last OrderID: export the whole table');
  }
  if (highest && global?.nextOrderId !== undefined && highest.orderId >= global.nextOrderId) {
    problems.add(
      highest.line,
      `OrderID ${highest.orderId} is above the ${global.nextOrderId - 1n} of StoreID 0, and would be given again: stop ` +
        'the sample, then export the table again',
    );
  }
  problems.throwIfAny();
  if (global?.nextOrderId === undefined) throw new Error('an item without a problem has no number');
  return global.nextOrderId;
}

function addStore(item: JsonObject, storeId: bigint, line: number, staging: ImportStaging, problems: Problems): void {
  const nextNumber = nextOf(item, 'OrderNumber', line, problems);
  if (nextNumber === undefined) return;
  const before = staging.add({ storeId, nextNumber }, line);
  if (before !== undefined) problems.add(line, `StoreID ${storeId} is on line ${before} already: keep one of them`);
}

/** The last OrderID that a store got, where its item says so. */
function orderIdOf(item: JsonObject): bigint | undefined {
  const digits = numberOf(item['OrderID']);
  return typeof digits === 'string' && /^\d+$/.test(digits) ? BigInt(digits) : undefined;
}

/** One above the last number given. */
function nextOf(item: JsonObject, name: string, line: number, problems: Problems): bigint | undefined {
  const last = wholeNumber(numberOf(item[name]), { name, line, least: 0n, most: INT64_MAX - 1n }, problems);
  return last === undefined ? undefined : last + 1n;
}

/** Undefined for a blank line, and, with a problem, for what is no item. */
function parseItem(text: string, line: number, problems: Problems): JsonObject | undefined {
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text, keepDigits);
  } catch {
    if (line === 1) throw notLines(text);
    problems.add(line, `${show(text)} is not JSON: write one item a line`);
    return undefined;
  }
  if (line === 1 && isObject(value) && 'Items' in value) throw notLines(text);
  const item = isObject(value) && 'Item' in value ? value['Item'] : value;
  if (isObject(item)) return item;
  problems.add(line, `${show(text)} is not an item: write one item with StoreID, OrderNumber or OrderID a line`);
  return undefined;
}

/** The whole file is of another shape: said once. */
function notLines(text: string): LedgerRefused {
  const remedy = text.startsWith(GZIP)
    ? 'is gzip: unpack it first, with gunzip'
    : "is not one JSON item a line: of a scan, jq -c '.Items[]' makes such a file";
  return new LedgerRefused(`nothing was imported: the file ${remedy}`);
}

/** Plain numbers become DynamoDB's: digits in a string, because a double has only 53 bits. */
function keepDigits(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? { N: context?.source } : value;
}

/** The digits of a number of DynamoDB, or what is there instead. */
function numberOf(attribute: unknown): unknown {
  return isObject(attribute) && 'N' in attribute ? attribute['N'] : attribute;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
