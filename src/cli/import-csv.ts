import { CsvError, parse } from 'csv-parse';
import type { ImportStaging } from '../engines/sqlite/import-staging.ts';
import { openImport, Problems, show, wholeNumber } from './import-rows.ts';

const HEADER = ['store_id', 'next_number'] as const;

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Reads the stores of a CSV file with the header store_id,next_number. Throws LedgerRefused with all of its problems. */
export async function readCsv(
  path: string,
  staging: ImportStaging,
  {
    signal,
    onProgress,
    refusal,
  }: { signal: AbortSignal; onProgress: (done: number, all: number) => void; refusal?: string },
): Promise<void> {
  const problems = new Problems(path, refusal);
  const file = openImport(path, onProgress);
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true });
  // A file that cannot be read ends the reading of its rows.
  file.on('error', (error) => parser.destroy(error));
  let columns: { storeId: number; nextNumber: number } | undefined;
  try {
    for await (const { record, info } of file.pipe(parser) as AsyncIterable<Row>) {
      signal.throwIfAborted();
      if (columns) addStore(record, columns, info.lines, staging, problems);
      else columns = columnsOf(record, info.lines, problems);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    problems.add(Number(error['lines'] ?? 0), `${error.message}: write it as store_id,next_number`);
  } finally {
    file.destroy();
  }
  if (!columns) problems.add(1, `the file is empty: its first line must be ${HEADER.join(',')}`);
  problems.throwIfAny();
}

function columnsOf(record: readonly string[], line: number, problems: Problems) {
  if (record.length !== HEADER.length || HEADER.some((name) => !record.includes(name))) {
    problems.add(line, `the header is ${show(record.join(','))}: it must be ${HEADER.join(',')}`);
    problems.throwIfAny();
  }
  return { storeId: record.indexOf('store_id'), nextNumber: record.indexOf('next_number') };
}

function addStore(
  record: readonly string[],
  columns: { storeId: number; nextNumber: number },
  line: number,
  staging: ImportStaging,
  problems: Problems,
): void {
  if (record.length !== HEADER.length) {
    problems.add(line, `${show(record.join(','))} has ${record.length} values: it must have two, ${HEADER.join(',')}`);
    return;
  }
  const storeId = wholeNumber(record[columns.storeId], { name: 'store_id', line }, problems);
  const nextNumber = wholeNumber(record[columns.nextNumber], { name: 'next_number', line }, problems);
  if (storeId === undefined || nextNumber === undefined) return;
  const before = staging.add({ storeId, nextNumber }, line);
  if (before !== undefined) problems.add(line, `store_id ${storeId} is on line ${before} already: keep one of them`);
}
