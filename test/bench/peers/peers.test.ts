import { afterEach, expect, it, vi } from 'vitest';
import { parseFlags } from '../../../bench/flags.ts';
import { measurePeers } from '../../../bench/measurements/peers.ts';
import { EVERY_PEER } from '../../../bench/peers/every-peer.ts';
import { hotRow } from '../../../bench/peers/postgres/hot-row.ts';
import { rowLock } from '../../../bench/peers/postgres/row-lock.ts';
import { redis } from '../../../bench/peers/redis/redis-peer.ts';
import { sqlitePerOrder } from '../../../bench/peers/sqlite/sqlite-peer.ts';
import { peersSections, peersTargets } from '../../../bench/report/peers-sections.ts';
import { toText } from '../../../bench/report/section.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const SHORT = { rounds: 1, seconds: 0.1 };
const PGBENCH = 'pgbench is missing: install postgresql';
const LEFT_OUT = {
  redis: 'redis-server, redis-benchmark, redis-cli are missing: install redis-server and redis-tools',
  'hot-row': PGBENCH,
  'row-lock': PGBENCH,
};

afterEach(() => vi.unstubAllEnvs());

it('--peers asks for them', () => {
  expect(parseFlags(['--peers', '--rounds', '2'])).toMatchObject({ measurements: ['peers'], rounds: 2 });
});

it('every peer has a name of its own and says what it does', () => {
  expect(new Set(EVERY_PEER.map(({ name }) => name)).size).toBe(EVERY_PEER.length);
  expect(EVERY_PEER.every(({ work }) => work.length > 20 && !work.endsWith('.'))).toBe(true);
});

it('a peer whose programs are missing is one loud line, and the others are measured', async () => {
  vi.stubEnv('PATH', testFolder());
  const lines: string[] = [];
  const options = { ...SHORT, folder: testFolder(), progress: (line: string) => void lines.push(line) };
  const result = await measurePeers(options, [redis, sqlitePerOrder, hotRow, rowLock]);

  expect(result.leftOut).toEqual(LEFT_OUT);
  for (const [name, why] of Object.entries(LEFT_OUT)) {
    expect(lines.filter((line) => line.includes(name))).toEqual([`LEFT OUT: ${name}: ${why}`]);
  }
  expect(result.peers.map(({ name }) => name)).toEqual([sqlitePerOrder.name]);
  const [measured] = result.peers;
  expect(measured!.levels).toMatchObject([{ inFlight: 1, perSecond: { median: expect.any(Number) as number } }]);
  expect(measured!.density).toMatchObject({ holes: 0, repeats: 0 });
  expect(measured!.kills).toHaveLength(3);

  const report = peersSections(result).map(toText).join('\n');
  expect(report).toContain(`LEFT OUT: redis: ${LEFT_OUT.redis}.`);
  expect(report).toMatch(/^sqlite-per-order +1 +[\d,]+ /m);
});

it('a fault of ours misses its goal, a fault of a peer does not', () => {
  expect(goalsMet({ isOurs: true, holes: 0 })).toEqual([true]);
  expect(goalsMet({ isOurs: false, holes: 1 })).toEqual([true]);
  expect(goalsMet({ isOurs: true, holes: 1 })).toEqual([false]);
});

it('a peer that has stored other orders than it answered ends the run', async () => {
  const forgetful = {
    ...sqlitePerOrder,
    start: async (folder: string) => {
      const running = await sqlitePerOrder.start(folder);
      return Object.assign(running, { check: async () => ({ orders: 1, holes: 0, repeats: 0 }) });
    },
  };
  const options = { ...SHORT, folder: testFolder(), progress: () => {} };
  await expect(measurePeers(options, [forgetful])).rejects.toThrow(
    /^sqlite-per-order answered \d+ orders, but has stored 1$/,
  );
});

/** Which goals are met by one peer without ratios. */
function goalsMet({ isOurs, holes }: { isOurs: boolean; holes: number }): boolean[] {
  const density = { orders: 1, holes, repeats: 0 };
  const peers = [{ name: 'a', work: 'something', levels: [], kills: [], isOurs, density }];
  return peersTargets({ rounds: 1, seconds: 1, ratios: [], leftOut: {}, peers }).map(({ isMet }) => isMet);
}
