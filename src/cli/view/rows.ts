import type { OutputFlags } from './output-option.ts';
import type { Columns } from './columns.ts';

/** How rows are written. */
export interface RowForm<Row> {
  /** The lines before all rows, unless they were written. */
  header(): string[];
  /** The lines of a row, with those before it that were not written yet. */
  row(row: Row): string[];
}

/** The form that the flags ask for: JSON and CSV have these fields, of what `valuesOf` returns. */
export async function rowForm<Row, Field extends string>(
  { json, csv }: OutputFlags,
  table: RowForm<Row>,
  fields: readonly Field[],
  valuesOf: (row: Row) => Readonly<Record<Field, unknown>>,
): Promise<RowForm<Row>> {
  if (json) return { header: () => [], row: (row) => [JSON.stringify(valuesOf(row))] };
  return csv ? csvForm(fields, valuesOf) : table;
}

/** Loads the library for CSV, which most commands never need. */
export async function csvForm<Row, Field extends string>(
  fields: readonly Field[],
  valuesOf: (row: Row) => Readonly<Record<Field, unknown>>,
): Promise<RowForm<Row>> {
  const { csvLine } = await import('./csv.ts');
  const header = [csvLine(fields)];
  return {
    header: () => header.splice(0),
    row: (row) => {
      const values = valuesOf(row);
      return [...header.splice(0), csvLine(fields.map((field) => cellOf(values[field])))];
    },
  };
}

/** A list as the flags take it, such as 7,8; nothing for null. */
function cellOf(value: unknown): string | number {
  if (typeof value === 'number') return value;
  return Array.isArray(value) ? value.join(',') : String(value ?? '');
}

/** A form for one thing alone: all of it, without a header. */
export function alone<Row>(text: (row: Row) => string): RowForm<Row> {
  return { header: () => [], row: (row) => [text(row)] };
}

/** A table of rows that arrive one by one. */
export function underHeader<Row>(columns: Columns<Row>): RowForm<Row> {
  const header = [columns.header()];
  return { header: () => header.splice(0), row: (row) => [...header.splice(0), columns.row(row)] };
}
