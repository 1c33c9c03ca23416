import { stringify } from 'csv-stringify/sync';

/**
 * A text that a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection), with or
 * without a ' in front, so that removing one ' from every match restores the value.
 */
const FORMULA = /^'*[=+\-@\t\r]/;

/** A line of CSV as in RFC 4180, without its line end. A text that a spreadsheet would run gets a ' in front. */
export function csvLine(cells: readonly (string | number)[]): string {
  const shown = cells.map((cell) => (typeof cell === 'string' && FORMULA.test(cell) ? `'${cell}` : cell));
  return stringify([shown], { eof: false });
}
