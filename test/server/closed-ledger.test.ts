import type { Metadata } from '@grpc/grpc-js';
import { credentials, status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { logWhileClosed } from '../../src/server/closed-ledger.ts';
import { HealthClient } from '../../src/wire/gen/grpc/health/v1/health.ts';
import { LedgerState } from '../../src/core/ledger-state.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { connect, failureOf } from '../support/clients/orders-client.ts';
import { testFolder } from '../support/processes/server-process.ts';

const MANY = 50;
/** A line waits for a look at the disk, which a busy machine delays. */
const DISK = { timeout: 20_000 };

afterEach(() => {
  vi.useRealTimers();
});

it('while the database is unavailable, /readyz, the metrics and the log say so, and expired calls are dropped', async () => {
  const [grpc, http, metrics] = [await freeAddress(), await freeAddress(), await freeAddress()];
  // Nothing listens at the address of the database.
  const listeners = ['--grpc-listen', grpc, '--http-listen', http, '--metrics-listen', metrics];
  const server = new LocalServer(`postgres://orders@${await freeAddress()}/orders`, { args: listeners });
  await server.line(/cannot be opened yet/);
  // The metrics listener is the last to start.
  await vi.waitFor(() => get(metrics, '/metrics'));
  const client = connect(grpc);
  onTestFinished(() => client.close());
  const metric = async (name: string) =>
    Number(new RegExp(`^order_numbers_${name} (.+)$`, 'm').exec(await get(metrics, '/metrics'))?.[1]);

  expect(await get(http, '/readyz')).toBe('{"status":"not serving","reason":"database unreachable"}');
  const health = new HealthClient(grpc, credentials.createInsecure());
  onTestFinished(() => health.close());
  const trailer = await new Promise<Metadata>((resolve) => {
    health.check({ service: '' }, () => {}).on('status', (end) => resolve(end.metadata));
  });
  expect(trailer.get('not-serving-reason')).toEqual(['database unreachable']);
  const calls = Array.from({ length: MANY }, (_, i) =>
    failureOf(client.allocateOrder({ storeId: 7n, requestId: `cart-${i}` }, { deadlineMs: 3000 })),
  );
  await vi.waitFor(async () => expect(await metric('queue_length')).toBe(MANY));
  expect(await metric('ledger_open')).toBe(0);
  expect(await metric('ledger_closed_seconds')).toBeGreaterThan(0);
  for (const { code } of await Promise.all(calls)) expect(code).toBe(status.DEADLINE_EXCEEDED);

  await vi.waitFor(async () => expect(await metric('queue_length')).toBe(0));
  const cancelled = await metric('calls_total\\{transport="grpc",method="AllocateOrder",result="CANCELLED"\\}');
  expect(cancelled).toBe(MANY);
  const lines = () => server.log.filter((line) => line['reason'] === 'CANCELLED');
  const counted = () => lines().reduce((sum, line) => sum + 1 + Number(line['suppressed'] ?? 0), 0);
  await vi.waitFor(() => expect(counted()).toBe(MANY));
  expect(lines().length).toBeLessThan(5);
  expect(server.said()).not.toContain('password');
});

it('logs a line per minute, with the location, the free disk space and what happens next', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null },
    { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const state = new LedgerState();
  state.closed('disk full', 'no space left');
  const path = `${testFolder()}/orders.db`;
  const stop = logWhileClosed({ state, logger, name: path, path, queueLength: () => 161 });
  vi.advanceTimersByTime(59_000);
  expect(lines).toEqual([]);
  vi.advanceTimersByTime(1000);
  await vi.waitFor(() => expect(lines).toHaveLength(1), DISK);
  expect(lines[0]).toMatchObject({
    level: 50,
    ledger: path,
    reason: 'disk full',
    closed_s: 60,
    waiting: 161,
    free_bytes: expect.any(Number),
    msg:
      'the ledger has been closed for a minute: no space left; orders wait until their deadline; ' +
      'free some space on its disk, and it opens automatically',
  });
  vi.advanceTimersByTime(120_000);
  await vi.waitFor(() => expect(lines).toHaveLength(3), DISK);
  state.opened();
  vi.advanceTimersByTime(600_000);
  state.closed('database unreachable', 'nobody answers');
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(() => expect(lines).toHaveLength(4), DISK);
  stop();
  vi.advanceTimersByTime(600_000);
  expect(vi.getTimerCount()).toBe(0);
});

async function get(address: string, path: string): Promise<string> {
  return (await fetch(`http://${address}${path}`)).text();
}
