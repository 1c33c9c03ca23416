import type { Spread } from '../statistics.ts';

/** A part of a report, for both the console and the document. */
export interface Section {
  readonly title: string;
  readonly table?: {
    readonly head: readonly string[];
    readonly rows: readonly (readonly string[])[];
  };
  /** Whole sentences, or lines like sentences. */
  readonly notes: readonly string[];
}

/** A measured value and its limit. */
export interface Target {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly isMet: boolean;
}

export function toText({ title, table: content, notes }: Section): string {
  return [title, ...(content ? table([content.head, ...content.rows]) : []), ...notes].join('\n');
}

/** Formats a section as Markdown, with a heading of the third level. */
export function toMarkdown({ title, table: content, notes }: Section): string {
  const rows = content && [content.head, content.head.map(() => '---'), ...content.rows].map(markdownRow).join('\n');
  return [`### ${title}`, ...(rows ? [rows] : []), ...notes].join('\n\n');
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

export function targetsSection(targets: readonly Target[]): Section {
  const rows = targets.map(({ name, value, limit, isMet }) => [name, value, limit, isMet ? 'met' : 'MISSED']);
  return { title: 'Goals', table: { head: ['what', 'measured', 'goal', ''], rows }, notes: [] };
}

/** Columns as wide as their widest cell; the first one is left-aligned, the others are right-aligned. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => row.map(padded).join('  ').trimEnd());
}

/** The median with the lowest and the highest. */
export function range({ median, min, max }: Spread, digits = 2): string {
  return `${decimal(median, digits)} (${decimal(min, digits)}–${decimal(max, digits)})`;
}

/** Rounds to an integer, with commas between thousands. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A time, with two decimals below 100 and none above. */
export function time(value: number): string {
  return value < 100 ? value.toFixed(2) : whole(value);
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/** A measured value with its lower or upper limit. */
export function target(
  name: string,
  value: number,
  limit: { readonly atLeast?: number | undefined; readonly atMost?: number | undefined },
  format: (value: number) => string = (number) => number.toFixed(2),
): Target {
  const { atLeast = -Infinity, atMost = Infinity } = limit;
  const text = atMost === Infinity ? `≥ ${format(atLeast)}` : `≤ ${format(atMost)}`;
  return { name, value: format(value), limit: text, isMet: value >= atLeast && value <= atMost };
}

function decimal(value: number, digits: number): string {
  return digits === 0 ? whole(value) : value.toFixed(digits);
}
