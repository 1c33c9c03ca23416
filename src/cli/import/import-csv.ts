import { CsvError, parse } from 'csv-parse';
import type { StoreSink } from '../../core/move/imported-store.ts';
import { Problems, show, checkedNumber } from './import-rows.ts';
import { openImport } from './import-source.ts';

const HEADER = ['store_id', 'next_number'] as const;

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Reads the stores of a CSV file with the header store_id,next_number. Throws LedgerRefused with all of its problems. */
export async function readCsv(
  path: string,
  stores: StoreSink,
  {
    signal,
    onProgress,
    refusal,
  }: { signal: AbortSignal; onProgress: (done: number, all: number) => void; refusal?: string },
): Promise<void> {
  const problems = new Problems(path, refusal);
  const { stream: file, bytesRead, size } = openImport(path);
  file.on('data', () => onProgress(bytesRead(), size));
  const parser = parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true, trim: true });
  // An error of the file also ends the parser.
  file.on('error', (error) => parser.destroy(error));
  let columns: { storeId: number; nextNumber: number } | undefined;
  try {
    for await (const { record, info } of file.pipe(parser) as AsyncIterable<Row>) {
      signal.throwIfAborted();
      const cells = withoutEmptyEnd(record);
      if (cells.length === 0) continue;
      if (columns) addStore(cells, columns, info.lines, stores, problems);
      else columns = columnsOf(cells, info.lines, problems);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    problems.add(`line ${Number(error['lines'] ?? 0)}`, `${error.message}: write it as store_id,next_number`);
  } finally {
    file.destroy();
  }
  if (!columns) problems.add('line 1', `the file is empty: its first line must be ${HEADER.join(',')}`);
  problems.throwIfAny();
}

/** A spreadsheet writes a comma for each empty cell of its used area, at the end of lines and of the file. */
function withoutEmptyEnd(record: readonly string[]): readonly string[] {
  const end = record.findLastIndex((cell) => cell !== '') + 1;
  return end === 0 ? [] : record.slice(0, Math.max(end, Math.min(record.length, HEADER.length)));
}

function columnsOf(record: readonly string[], line: number, problems: Problems) {
  if (record.length !== HEADER.length || HEADER.some((name) => !record.includes(name))) {
    problems.add(`line ${line}`, `the header is ${show(record.join(','))}: it must be ${HEADER.join(',')}`);
    problems.throwIfAny();
  }
  return { storeId: record.indexOf('store_id'), nextNumber: record.indexOf('next_number') };
}

function addStore(
  record: readonly string[],
  columns: { storeId: number; nextNumber: number },
  line: number,
  stores: StoreSink,
  problems: Problems,
): void {
  if (record.length !== HEADER.length) {
    problems.add(
      `line ${line}`,
      `${show(record.join(','))} has ${record.length} values: it must have two, ${HEADER.join(',')}`,
    );
    return;
  }
  const at = `line ${line}`;
  const storeId = checkedNumber(record[columns.storeId], { name: 'store_id', at }, problems);
  const nextNumber = checkedNumber(record[columns.nextNumber], { name: 'next_number', at }, problems);
  if (storeId === undefined || nextNumber === undefined) return;
  const before = stores.add({ storeId, nextNumber }, line);
  if (before !== undefined) problems.add(at, `store_id ${storeId} is already on line ${before}: keep one of them`);
}
