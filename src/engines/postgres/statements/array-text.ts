/**
 * An array of numbers as PostgreSQL writes it. pg would quote and escape each element, which takes it most of its time,
 * and a number never needs that.
 */
export function numberArray(values: readonly (bigint | number | undefined)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}
