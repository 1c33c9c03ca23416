import { expect, it } from 'vitest';
import { RunFigures } from '../../../bench/measurements/run-figures.ts';
import { normalAfter } from '../../../bench/measurements/overload.ts';
import { runRounds } from '../../../bench/measurements/rounds.ts';
import type { Level, Peer } from '../../../bench/peer.ts';
import { testFolder } from '../../support/processes/server-process.ts';

interface Loaded {
  readonly peer: string;
  readonly inFlight: number;
  readonly orders: number;
}

it('peers alternate level by level, every second round in reverse, sized by what they did before', async () => {
  const loads: Loaded[] = [];
  const peers = [counter('a', 1000, loads), counter('b', 500, loads)];
  const { runs, densities } = await rounds(peers, 2);
  expect(loads.map(({ peer, inFlight }) => `${peer}${inFlight}`)).toEqual(
    [
      ['a1', 'b1', 'a64', 'b64'],
      ['b1', 'a1', 'b64', 'a64'],
      ['a1', 'b1', 'a64', 'b64'],
    ].flat(),
  );
  expect(loads.slice(4).map(({ orders }) => orders)).toEqual([1000, 2000, 1024, 1984, 2000, 1000, 1984, 1024]);
  expect(densities.get('a')?.orders).toBe(
    runs.filter(({ peer }) => peer === 'a').reduce((sum, { result }) => sum + result.answered, 0),
  );
});

it('a peer that the machine lacks is left out in one line, and the others are measured', async () => {
  const said: string[] = [];
  const missing: Peer = { ...counter('rare', 1, []), missing: async () => 'rared is missing: install rare-server' };
  const { runs, leftOut } = await rounds([missing, counter('a', 1000, [])], 1, said);
  expect(said).toContain('LEFT OUT: rare: rared is missing: install rare-server');
  expect(leftOut).toEqual(new Map([['rare', 'rared is missing: install rare-server']]));
  expect(new Set(runs.map(({ peer }) => peer))).toEqual(new Set(['a']));
});

it('ratios are taken within a round, and the warm-up does not count', () => {
  const rates = { a: [1, 100, 300, 200], b: [1000, 50, 100, 400] };
  const runs = Object.entries(rates).flatMap(([peer, values]) =>
    values.map((perSecond, round) => ({ peer, level: { inFlight: 1 }, round, result: { answered: 1, perSecond } })),
  );
  const ratio = new RunFigures(runs).ratio({ of: { peer: 'a', inFlight: 1 }, to: { peer: 'b' }, atLeast: 2 });
  expect(ratio).toMatchObject({ value: { median: 2, min: 0.5, max: 3 }, atLeast: 2 });
  expect(new RunFigures(runs).levels('a')).toMatchObject([
    { inFlight: 1, perSecond: { median: 200, min: 100, max: 300 } },
  ]);
});

it('a server is normal again with the first of half a second of calls as before', () => {
  const probes = Array.from({ length: 100 }, (_, i) => ({
    atMs: i * 20,
    code: 'OK',
    tookMs: i < 10 || i === 20 ? 300 : 2,
  }));
  expect(normalAfter(probes, 0, 3)).toBe(21 * 20);
  expect(normalAfter(probes.slice(0, 30), 0, 3)).toBeNaN();
});

function rounds(peers: readonly Peer[], count: number, said: string[] = []) {
  return runRounds({ peers, rounds: count, seconds: 2, folder: testFolder(), progress: (line) => said.push(line) });
}

/** A peer that only counts, always at the same speed. */
function counter(name: string, perSecond: number, loads: Loaded[]): Peer {
  return {
    name,
    work: 'it counts',
    levels: [{ inFlight: 1 }, { inFlight: 64 }],
    missing: async () => undefined,
    async start() {
      let stored = 0;
      return {
        async load({ inFlight }: Level, orders: number) {
          loads.push({ peer: name, inFlight, orders });
          stored += orders;
          return { answered: orders, perSecond };
        },
        check: async () => ({ orders: stored, holes: 0, repeats: 0 }),
        stop: async () => {},
        kill: async () => {},
      };
    },
  };
}
