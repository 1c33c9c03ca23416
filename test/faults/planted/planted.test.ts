import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BadPatch, bugOf, plantedBugs, withChange } from './planted-bug.ts';
import { hasTitle } from './titles.ts';

// What make test-planted plants; that each is caught takes minutes, and that each can still be planted takes none.

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ROOMS = [
  'cli',
  'client',
  'console',
  'core',
  'dynamodb',
  'grpc',
  'http',
  'methods',
  'moving',
  'observing',
  'operator',
  'postgres',
  'reading',
  'security',
  'sqlite',
];

it('every planted bug still fits the tree, and the test that it names exists', () => {
  const outdated = plantedBugs().flatMap(({ name, changes, file, titles }) => {
    const texts = new Map<string, string>();
    try {
      for (const change of changes) {
        const { path } = change;
        texts.set(path, withChange(texts.get(path) ?? readFileSync(join(ROOT, path), 'utf8'), change));
      }
    } catch (error) {
      return [`${name}: ${String(error)}`];
    }
    return titles.filter((title) => !hasTitle(file, title)).map((title) => `${name}: ${file} has no "${title}"`);
  });
  expect(outdated).toEqual([]);
});

it('there are 40 bugs at least, of every room, and each name is that of one', () => {
  const bugs = plantedBugs();
  expect(bugs.length).toBeGreaterThanOrEqual(40);
  expect([...new Set(bugs.map(({ room }) => room))].toSorted()).toEqual(ROOMS);
  expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
});

it('a patch says what its bug is, and fits one place only', () => {
  const header = 'Bug: b is lost\nBreaks: P1\nTest: test/core/store.test.ts > a store > keeps b\n\n';
  const diff = '--- a/src/core/store.ts\n+++ b/src/core/store.ts\n@@ -1,3 +1,2 @@\n a\n-b\n c\n';
  const bug = bugOf('test/faults/planted/core/lost-b.patch', header + diff);
  expect(bug).toMatchObject({ name: 'lost-b', room: 'core', project: 'plain', titles: ['a store', 'keeps b'] });
  const [change] = bug.changes;
  expect(withChange('x\na\nb\nc\n', change!)).toBe('x\na\nc\n');
  for (const text of ['a\nc\n', 'a\nb\nc\na\nb\nc\n']) expect(() => withChange(text, change!)).toThrow(BadPatch);
  expect(() => bugOf('x.patch', `Bug: b is lost\n${diff}`)).toThrow('x.patch has no line "Test: …"');
  expect(hasTitle('test/core/store.test.ts', 'keeps b')).toBe(false);
});
