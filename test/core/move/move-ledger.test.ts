import { expect, it } from 'vitest';
import { ROWS } from './memory-contents.ts';
import { GOOD, Sides } from './move-sides.ts';

const CLOSED = ['close COPY', 'close FILE'];

it('P8: the source is sealed once its copy is complete and verified, and only then does the target number', async () => {
  const sides = new Sides();
  expect(await sides.move()).toMatchObject({ from: 'FILE', to: 'COPY', rows: BigInt(ROWS), wasDone: false });
  const copied = ['add 5000', 'add 5000', 'add 2500', 'take counters'];
  expect(sides.steps).toEqual(['claim', 'end sessions', 'hold', ...copied, 'verify', 'seal', 'activate', ...CLOSED]);
});

it('a copy begun by an earlier run is continued', async () => {
  const sides = new Sides();
  sides.target.contents.allocations = sides.source.allocations.slice(0, ROWS - 7);
  await sides.move();
  expect(sides.steps.filter((step) => step.startsWith('add'))).toEqual(['add 7']);
});

it('P8: a copy that differs keeps the source from being sealed', async () => {
  const sides = new Sides();
  sides.target.contents.stores.pop();
  await expect(sides.move()).rejects.toThrow(
    'the copy differs: store 8 is in FILE but not in COPY; empty COPY to start over; nothing was moved, and FILE can ' +
      'still be served',
  );
  expect(sides.steps.slice(-4)).toEqual(['take counters', 'release', ...CLOSED]);
});

it('P8: a source that cannot be given back is not reported as one that may be served', async () => {
  const sides = new Sides();
  sides.target.contents.stores.pop();
  sides.source.release = () => Promise.reject(new Error('the network is gone'));
  await expect(sides.move()).rejects.toThrow(
    /the network is gone; nothing was moved, but no server can number in FILE yet; run the same command again to continue/,
  );
});

it('P8: a move stopped during verification seals nothing', async () => {
  const sides = new Sides();
  sides.target.verify = async function* () {
    yield GOOD;
    sides.stop.abort();
  };
  await expect(sides.move()).rejects.toThrow('stopped; nothing was moved, and FILE can still be served');
  expect(sides.steps.slice(-4)).toEqual(['take counters', 'release', ...CLOSED]);
});

it('P8: an unconfirmed seal activates nothing, and no target is reported as serving', async () => {
  const sides = new Sides();
  sides.source.seal = async () => {
    sides.source.isSealed = true;
    throw new Error('the disk is gone');
  };
  await expect(sides.move()).rejects.toThrow(
    'the disk is gone; FILE is sealed, and the move to COPY may not have finished; run the same command again to continue',
  );
  expect(sides.steps).not.toContain('activate');
  expect(sides.steps).not.toContain('release');
});

it('P9: a target that has less than its sealed source is never filled up from it', async () => {
  const sides = new Sides();
  sides.source.isSealed = true;
  sides.target.contents.allocations = sides.source.allocations.slice(1);
  await expect(sides.move()).rejects.toThrow('was sealed; put its newest copy back');
  expect(sides.steps).toEqual(['claim', 'end sessions', 'hold', ...CLOSED]);
});

it('P8: an unsealed source with a finished target is an older copy, and nothing is done', async () => {
  const sides = new Sides();
  sides.target.state = 'done';
  await expect(sides.move()).rejects.toThrow(/it is an older copy and must not be served$/);
  expect(sides.steps).toEqual(['claim', ...CLOSED]);
});

it('a move finished by an earlier run does nothing', async () => {
  const sides = new Sides();
  sides.source.isSealed = true;
  sides.target.state = 'done';
  expect(await sides.move()).toMatchObject({ wasDone: true });
  expect(sides.steps).toEqual(['claim', ...CLOSED]);
});
