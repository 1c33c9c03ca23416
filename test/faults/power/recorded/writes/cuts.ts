import type { Random } from '../../../frame/random.ts';
import type { Cut, UnsyncedDisk } from './unsynced-disk.ts';

const none = () => 0;
const every = (all: number) => all;

/**
 * The cuts of one moment: the ends of what is possible (nothing of what is not synced, all of it, one file's only, all
 * but one of the last `count` changes, one of these alone), and `count` random ones: some changes whole, in any order, or
 * some sectors of them.
 */
export function* cutsOf(disk: UnsyncedDisk, random: Random, count: number): Generator<Cut> {
  const { changes, names, files } = disk.unsynced;
  yield { name: 'nothing unsynced', names: none, part: () => 'none' };
  if (changes + names === 0) return;
  yield { name: 'everything', names: every, part: () => 'all' };
  if (names > 0) {
    yield { name: 'names without data', names: every, part: () => 'none' };
    yield { name: 'data without names', names: none, part: () => 'all' };
  }
  if (files.length > 1) {
    for (const file of files) {
      yield { name: `only ${file}`, names: every, part: ({ name }) => (name === file ? 'all' : 'none') };
      yield { name: `all but ${file}`, names: every, part: ({ name }) => (name === file ? 'none' : 'all') };
    }
  }
  for (let i = Math.max(0, changes - count); i < changes; i++) {
    yield { name: `all but change ${i}`, names: every, part: (_, n) => (n === i ? 'none' : 'all') };
    yield { name: `only change ${i}`, names: every, part: (_, n) => (n === i ? 'all' : 'none') };
  }
  for (let i = 0; i < count; i++) {
    const known = random.below(names + 1);
    const share = random.below(101) / 100;
    const kind = random.pick(['all', 'sectors'] as const);
    const part = () => (random.chance(share) ? kind : 'none');
    yield { name: kind === 'all' ? 'some changes' : 'some sectors', names: () => known, part };
  }
}
