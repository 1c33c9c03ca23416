import { parse } from 'csv-parse/sync';
import { expect, it } from 'vitest';
import { csvLine } from '../../../src/cli/view/csv.ts';

it.each(['=1+1', '@SUM(A1)', '+49', '-1', "=cmd|'/C calc'!A0", '\t=1', '\r=1', '=1,"x"', "'=1", "''=1"])(
  'B18: %j is not a formula to a spreadsheet, and programs read it back unchanged',
  (text) => {
    const [[cell]] = parse(csvLine([text])) as [[string]];
    expect(cell).toBe(`'${text}`);
    expect(cell.replace(/^'(?='*[=+\-@\t\r])/, '')).toBe(text);
  },
);

it.each(['order-1', '1=1', "'quoted'", "'", '', 'a@b', '"A", ', 'two\nlines'])('%j is written unchanged', (text) => {
  expect(parse(csvLine([text, 7]))).toEqual([[text, '7']]);
});

it('numbers are not quoted as text', () => {
  expect(csvLine([-1, 5])).toBe('-1,5');
});
