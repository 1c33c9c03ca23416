import type { Spread } from '../statistics.ts';

/** A measured value and its limit. */
export interface Target {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly isMet: boolean;
}

/** Columns as wide as their widest cell, right-aligned by default. */
export function table(rows: readonly (readonly string[])[], sides: readonly ('left' | 'right')[] = []): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (sides[column] === 'left' ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

export function ratio({ median, min, max }: Spread): string {
  return `${two(median)} (${two(min)}..${two(max)})`;
}

export function ms(value: number): string {
  return two(value);
}

export function two(value: number): string {
  return value.toFixed(2);
}
