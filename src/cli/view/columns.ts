import CliTable3 from 'cli-table3';
import { printable } from '../../core/text/plain-text.ts';

/** One column of rows that arrive one by one. */
export interface Column<Row> {
  readonly title: string;
  /** In characters; a longer value is shown in full, and the column stays that wide. */
  readonly width: number;
  readonly align?: 'right';
  /** The narrowest width, in characters, to which a table that has to fit may truncate longer values. */
  readonly least?: number;
  readonly value: (row: Row) => string;
}

const GAP = '  ';
const CUT = '…';

/** Aligns rows for people without knowing how many there are. */
export class Columns<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #widths: number[];
  readonly #fit: number;

  /** `fit` is the width of the terminal. Each line fits it unless that would truncate a number. */
  constructor(columns: ReadonlyArray<Column<Row>>, fit = Infinity) {
    this.#columns = columns;
    this.#widths = columns.map(({ width, title }) => Math.max(width, title.length));
    this.#fit = fit;
  }

  header(): string {
    return this.#line(this.#columns.map(({ title }) => title));
  }

  row(row: Row): string {
    return this.#line(this.#columns.map(({ value }) => printable(value(row))));
  }

  #line(cells: readonly string[]): string {
    for (const [i, { length }] of cells.entries()) this.#widths[i] = Math.max(this.#widths[i]!, length);
    this.#shrink(({ least }) => least ?? Infinity);
    // Before a line wraps, columns that a longer number above has widened shrink again.
    this.#shrink(({ least }, i) => least ?? Math.max(cells[i]!.length, this.#columns[i]!.title.length));
    const padded = cells.map((cell, i) => {
      const width = this.#widths[i]!;
      const fitting = cell.length > width ? `${cell.slice(0, width - 1)}${CUT}` : cell;
      return this.#columns[i]!.align === 'right' ? fitting.padStart(width) : fitting.padEnd(width);
    });
    return padded.join(GAP).trimEnd();
  }

  /** Narrows the columns to fit, the last one first, but leaves each its narrowest width. */
  #shrink(leastOf: (column: Column<Row>, index: number) => number): void {
    let excess = this.#widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - this.#fit;
    for (let i = this.#columns.length - 1; i >= 0 && excess > 0; i--) {
      const taken = Math.min(excess, Math.max(0, this.#widths[i]! - leastOf(this.#columns[i]!, i)));
      this.#widths[i]! -= taken;
      excess -= taken;
    }
  }
}

/** A whole table for people: no borders, two spaces between columns. */
export function table(rows: readonly (readonly string[])[], rightColumns: readonly number[] = []): string {
  const width = Math.max(0, ...rows.map((row) => row.length));
  const none = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'];
  const chars = Object.fromEntries(
    [...none, 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'].map((name) => [name, '']),
  );
  const aligned = new CliTable3({
    chars: { ...chars, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: Array.from({ length: width }, (_, i) => (rightColumns.includes(i) ? 'right' : 'left')),
  });
  aligned.push(...rows.map((row) => row.map(printable)));
  return aligned
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** One name and its value per line. */
export function fieldTable(fields: Readonly<Record<string, unknown>>): string {
  return table(Object.entries(fields).map(([name, value]) => [name, String(value)]));
}

/** A point in time in this machine's time zone: 2026-11-24T03:23:48.123+01:00. */
export function localTime(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const wall = new Date(time.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60].map(twoDigits);
  return `${wall}${offset < 0 ? '-' : '+'}${hours}:${minutes}`;
}

/** The same to the second, for tables: 2026-11-24 03:23:48. */
export function shortTime(time: Date): string {
  return localTime(time).slice(0, 19).replace('T', ' ');
}

/** 1,000,000 for 1000000. */
export function grouped(number: bigint | number): string {
  return number.toLocaleString('en-US');
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
