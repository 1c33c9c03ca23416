import { expect, it } from 'vitest';
import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { drainSuite, endsWithoutDrain } from './drain-suite.ts';

drainSuite(POSTGRES);
drainSuite(DYNAMODB);

it('control: a server that does not wait for accepted calls leaves them without an answer', async (test) => {
  const ends = await endsWithoutDrain(POSTGRES, test);
  expect(ends.filter((end) => end.status === 'fulfilled')).toEqual([]);
});
