import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { IN_ONE_PROCESS, WITHOUT_CHECKPOINT, WITHOUT_FULL, WITHOUT_REWRITE } from './patches.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;

it('the patches of the power lab apply to the sources as they are', () => {
  const patches = [...WITHOUT_FULL, ...WITHOUT_CHECKPOINT, ...WITHOUT_REWRITE, ...IN_ONE_PROCESS];
  const astray = patches.filter(({ file, from }) => readFileSync(ROOT + file, 'utf8').split(from).length !== 2);
  expect(astray).toEqual([]);
});
