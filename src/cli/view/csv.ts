import { stringify } from 'csv-stringify/sync';

/**
 * What a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection), and what such a text
 * becomes below, so that removing one ' from the front of these restores every value.
 */
const FORMULA = /^'*[=+\-@\t\r]/;

/** A line of CSV as in RFC 4180, without its end. A text that a spreadsheet would run gets a ' in front, which shows it. */
export function csvLine(cells: readonly (string | number)[]): string {
  const shown = cells.map((cell) => (typeof cell === 'string' && FORMULA.test(cell) ? `'${cell}` : cell));
  return stringify([shown], { eof: false });
}
