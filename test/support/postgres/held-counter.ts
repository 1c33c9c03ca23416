import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import { until } from '../until.ts';
import { query } from './query.ts';

/** The lock on the counter's row, which every write of a server needs, held by another session. */
export interface HeldCounter {
  /** Resolves when this many sessions of this database have waited for it for this long; 1 unless given. */
  isWaitedFor(leastMs?: number, sessions?: number): Promise<void>;
  release(): Promise<void>;
}

/** Takes the lock in the database at `url`, as soon as it is free; releases it when the test ends, at the latest. */
export async function holdCounter(url: string): Promise<HeldCounter> {
  const holder = new Client({ connectionString: url });
  // The session ends with its database if it was not released.
  holder.on('error', () => {});
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query('BEGIN; SELECT FROM order_numbers.ledger FOR UPDATE');
  return {
    async isWaitedFor(leastMs = 0, sessions = 1) {
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND clock_timestamp() - query_start >= make_interval(secs => $1)`;
      await until(`${sessions} sessions wait for the counter's lock`, async () => {
        return (await query(url, waiting, [leastMs / 1000])).length >= sessions;
      });
    },
    async release() {
      await holder.query('ROLLBACK');
    },
  };
}
