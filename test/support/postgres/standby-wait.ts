import { until } from '../until.ts';
import type { Row } from './query.ts';

/** The condition on pg_stat_activity for a commit that waits for its standby. */
export const AWAITS_STANDBY = `wait_event = 'SyncRep'`;

/** Resolves when a commit on this server waits for its standby; `also` narrows down whose. */
export async function commitAwaitsStandby(
  server: { query(sql: string): Promise<readonly Row[]> },
  also = 'true',
): Promise<void> {
  await until('a commit waits for the standby', async () => {
    return (await server.query(`SELECT FROM pg_stat_activity WHERE ${AWAITS_STANDBY} AND ${also}`)).length > 0;
  });
}
