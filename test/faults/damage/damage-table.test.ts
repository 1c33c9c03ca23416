import { expect, it } from 'vitest';
import { documentAt, tableRows } from '../../project/documents.ts';
import { damageTable } from './damage-table.ts';

it('docs/reliability.md has a row for each damage that the lab injects, with what it found', () => {
  const { text } = documentAt('docs/reliability.md');
  const section = text.split('## Damage and roll-back\n')[1]!.split('\n## ')[0]!;
  const rows = tableRows({ ...documentAt('docs/reliability.md'), text: section }).map((cells) => cells.slice(1, 5));
  expect(rows.filter(([damage]) => !/^(damage|-+)$/.test(damage ?? ''))).toEqual(damageTable());
});
