import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Mutant } from '../faults/mutation/mutants.ts';
import { ROOMS } from '../faults/mutation/rooms.ts';
import { differences, knownSurvivors, nameOf } from '../faults/mutation/survivors.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

describe('the rooms of the mutation run', () => {
  it('have every file of the core and of the statements, each once', () => {
    const mutated = ROOMS.flatMap(({ files }) => globSync([...files], { cwd: ROOT }));
    const all = globSync('{src/core/**,src/engines/*/statements}/*.ts', { cwd: ROOT });
    expect(mutated.toSorted()).toEqual(all.toSorted());
  });

  it.each(ROOMS.flatMap(({ name, tests }) => tests.map((glob) => [name, glob] as const)))(
    '%s has tests: %s',
    (_, glob) => {
      expect(globSync(glob, { cwd: ROOT })).not.toEqual([]);
    },
  );
});

describe('survivors.json', () => {
  it('names lines of the code, and a reason for each', () => {
    const missing = knownSurvivors().flatMap(({ mutants }) =>
      mutants.filter(({ file, line }) => !existsSync(ROOT + file) || !linesOf(file).includes(line)),
    );
    expect(missing).toEqual([]);
    expect(knownSurvivors().filter(({ why }) => why.length < 20)).toEqual([]);
  });

  it('is compared with a run: one more survivor and one less are both a failure', () => {
    const mutant: Mutant = {
      id: '1',
      file: 'src/core/allocation.ts',
      lineNumber: 1,
      line: 'a < b && c < d',
      mutator: 'EqualityOperator',
      from: 'a <\n  b',
      to: 'a <= b',
    };
    const name = nameOf(mutant);
    expect(name.change).toBe('a < b → a <= b');
    expect(differences([mutant], [name])).toEqual({ unknown: [], noticed: [] });
    expect(differences([mutant], [])).toEqual({ unknown: [mutant], noticed: [] });
    expect(differences([], [name])).toEqual({ unknown: [], noticed: [name] });
    // The same change on two equal lines.
    expect(differences([mutant, mutant], [name])).toEqual({ unknown: [mutant], noticed: [] });
  });
});

function linesOf(file: string): string[] {
  return readFileSync(ROOT + file, 'utf8')
    .split('\n')
    .map((line) => line.trim());
}
