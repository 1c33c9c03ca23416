import { expect, it } from 'vitest';
import { killUnderLoad } from '../../../bench/peers/kill-under-load.ts';
import { hotRow } from '../../../bench/peers/postgres/hot-row.ts';
import { rowLock } from '../../../bench/peers/postgres/row-lock.ts';
import { redis } from '../../../bench/peers/redis/redis-peer.ts';
import { RedisServer } from '../../../bench/peers/redis/redis-server.ts';
import { runChild } from '../../../bench/processes/child-process.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import type { Tool } from '../../support/required-tool.ts';
import { requireTools } from '../../support/required-tool.ts';

const REDIS: Tool[] = ['redis-server', 'redis-benchmark'];
const ORDERS = 4000;

// The kernel counts processor time in steps of 10 ms: redis-benchmark sends 4,000 pipelined orders in less.
it.for([
  { peer: redis, tools: REDIS, orders: 40_000 },
  { peer: hotRow, tools: ['pgbench'] as Tool[], orders: ORDERS },
  { peer: rowLock, tools: ['pgbench'] as Tool[], orders: ORDERS },
])('$peer.name answers every order of a load, at each level, and stores it once', async (row, test) => {
  const { peer, tools, orders } = row;
  requireTools(test, ...tools);
  const running = await peer.start(testFolder());
  let answered = 0;
  for (const level of peer.levels) {
    const result = await running.load(level, orders);
    expect(result.answered).toBeGreaterThanOrEqual(orders);
    const { perSecond, p50Ms = 0, p99Ms = 0, generatorMicros = 0, serverMicros = 0 } = result;
    expect(Math.min(perSecond, p50Ms, generatorMicros, serverMicros)).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    answered += result.answered;
  }
  expect(await running.check()).toEqual({ orders: answered, holes: 0, repeats: 0 });
  await running.stop();
});

it('redis keeps what it answered, and a retry finds it, after kill -9', async (test) => {
  requireTools(test, ...REDIS);
  expect(await killUnderLoad(redis, testFolder())).toMatchObject({ orders: 1000, lost: 0, repeats: 0, holes: 0 });
});

it.for([
  ['a hole if an order is gone', `redis.call('DEL', key)`, { orders: ORDERS - 1, holes: 2, repeats: 0 }],
  [
    'a repeat if two orders have one pair',
    `redis.call('SET', 'request:copy', redis.call('GET', key))`,
    { orders: ORDERS + 1, holes: 0, repeats: 2 },
  ],
] as const)('the check of redis finds %s', async ([, change, density], test) => {
  requireTools(test, ...REDIS);
  const folder = testFolder();
  const running = await redis.start(folder);
  await running.load({ inFlight: 64 }, ORDERS);
  await running.stop();
  const server = await RedisServer.start(folder);
  const script = `local key = redis.call('KEYS', 'request:*')[1] return ${change}`;
  const { code } = await runChild('redis-cli', ['-p', String(server.port), '-e', 'EVAL', script, '0']);
  expect(code).toBe(0);
  await server.stop();
  const again = await redis.start(folder);
  expect(await again.check()).toEqual(density);
  await again.stop();
});
