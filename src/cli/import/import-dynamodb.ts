import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { LedgerRefused } from '../../core/errors.ts';
import type { StoreSink } from '../../core/move/imported-store.ts';
import type { JsonSource } from '../../core/text/json-text.ts';
import { isJsonObject, parseJson } from '../../core/text/json-text.ts';
import type { TableFile } from './dynamodb-export.ts';
import { findTable } from './dynamodb-export.ts';
import { Problems, show } from './import-rows.ts';
import { linesOf, openImport } from './import-source.ts';
import type { JsonObject } from './sample-items.ts';
import { SampleItems } from './sample-items.ts';

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
  const table = new SampleItems(stores, problems, (at) => placeOf(at, files));
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

/** Plain numbers become DynamoDB's: digits in a string, because a double has only 53 bits. */
function keepDigits(_: string, value: unknown, context?: JsonSource): unknown {
  return typeof value === 'number' ? { N: context?.source } : value;
}
