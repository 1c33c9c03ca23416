import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ClockWatch } from '../../src/server/clock-watch.ts';
import type { Engine } from '../support/engines/engines.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { connect } from '../support/clients/orders-client.ts';

const DAY_MS = 86_400_000;
const WARN = 40;

describe.each(ENGINES)('on $name', (engine: Engine) => {
  it('P3: a clock that was ahead for one order causes a warning, and is counted and measured', async () => {
    const ledger = await engine.newLedger();
    const server = new LocalServer(ledger);
    const client = connect(await server.serving());
    onTestFinished(() => client.close());
    await client.allocateOrder({ storeId: 7n, requestId: 'before' });
    expect(await metric(server, 'clock_behind_seconds')).toBe(0);
    // The state after an order numbered while a clock is three years ahead.
    const ahead = Date.now() + 3 * 365 * DAY_MS;
    await engine.setLastCreateTime(ledger, ahead);
    for (const requestId of ['one', 'two', 'one']) await client.allocateOrder({ storeId: 7n, requestId });

    const warnings = server.log.filter(({ msg, level }) => level === WARN && msg.includes('create_time'));
    expect(warnings.map(({ msg }) => msg)).toEqual([
      expect.stringContaining(
        `create_time stands still at ${new Date(ahead).toISOString()}, 1095 days ahead of this clock`,
      ),
    ]);
    expect(await metric(server, 'create_times_held_total')).toBe(2);
    const behind = await metric(server, 'clock_behind_seconds');
    expect(Math.abs(behind - (ahead - Date.now()) / 1000)).toBeLessThan(60);
  });
});

describe('ClockWatch', () => {
  const lines: string[] = [];
  const logger = pino({}, { write: (line) => void lines.push((JSON.parse(line) as { msg: string }).msg) });

  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000_000_000 });
    lines.length = 0;
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('warns once per minute, and reports when create_time moves again', () => {
    const watch = new ClockWatch(logger);
    const batch = { allocated: 1, replayed: 0, ms: 1, createTimeMs: Date.now() + 150_000 };
    for (let i = 0; i < 200; i++) {
      watch.committed({ ...batch, createTimeMs: Math.max(batch.createTimeMs, Date.now()) });
      vi.advanceTimersByTime(1000);
    }
    expect(lines).toEqual([
      expect.stringContaining('3 minutes ahead'),
      expect.stringContaining('90 seconds ahead'),
      expect.stringContaining('30 seconds ahead'),
      'create_time follows the clock again',
    ]);
  });

  it('ignores small clock adjustments and batches of replays', () => {
    const watch = new ClockWatch(logger);
    watch.committed({ allocated: 1, replayed: 0, ms: 1, createTimeMs: Date.now() + 2000 });
    watch.committed({ allocated: 1, replayed: 0, ms: 1, createTimeMs: Date.now() - DAY_MS });
    watch.committed({ allocated: 0, replayed: 1, ms: 1, createTimeMs: 0 });
    expect(lines).toEqual([]);
  });
});

async function metric(server: LocalServer, name: string): Promise<number> {
  const { metrics } = await server.line('serving');
  const scrape = await (await fetch(`http://${String(metrics)}/metrics`)).text();
  return Number(new RegExp(`^order_numbers_${name} (.+)$`, 'm').exec(scrape)?.[1]);
}
