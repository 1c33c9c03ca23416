import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { documentAt, ROOT, tableRows } from './documents.ts';

const PROMISES = Array.from({ length: 10 }, (_, i) => `P${i + 1}`);
const PAGE = documentAt('docs/reliability.md');
const SECTION = PAGE.text.slice(PAGE.text.indexOf('\n## Track record\n')).split(/\n## /)[1]!;
/** The rows whose last cell is `FILE: TITLE` and whose cell before it is a commit. */
const ROWS = tableRows({ ...PAGE, text: SECTION })
  .filter((cells) => /^[0-9a-f]{7,}$/.test(cells[4] ?? ''))
  .map(([, fault = '', promises = '', , , test = '']) => ({ fault, promises, test }));

it('has rows', () => {
  expect(ROWS.length).toBeGreaterThan(30);
});

it.each(ROWS)('the test against this fault exists: $fault', ({ promises, test }) => {
  const [file = '', title = ''] = test.split(/: (.*)/);
  expect(existsSync(`${ROOT}${file}`)).toBe(true);
  expect(title).not.toBe('');
  expect(readFileSync(`${ROOT}${file}`, 'utf8')).toContain(title);
  for (const promise of promises.split(' ')) expect(PROMISES).toContain(promise);
});
