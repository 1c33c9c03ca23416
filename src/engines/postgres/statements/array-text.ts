/**
 * An array of numbers in PostgreSQL's own notation. pg would quote and escape each element, which takes most of its
 * time and is never needed for a number.
 */
export function numberArray(values: readonly (bigint | number | undefined)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}
