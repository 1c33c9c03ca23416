import { chmodSync } from 'node:fs';
import { PostgresCluster } from '../../../test/support/postgres/cluster/cluster.ts';

/** A server with enough memory, and without background work while others are measured. */
const SETTINGS = {
  shared_buffers: '512MB',
  max_wal_size: '16GB',
  max_connections: '200',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
};

const clusters = new Map<string, PostgresCluster>();

/**
 * Starts a PostgreSQL whose data are in this folder: a new one, which `prepare` sets up, or the one that was stopped or
 * killed there before.
 */
export async function startInFolder(
  folder: string,
  prepare: (cluster: PostgresCluster) => Promise<unknown> = async () => {},
): Promise<PostgresCluster> {
  const earlier = clusters.get(folder);
  if (earlier) {
    await earlier.restart();
    return earlier;
  }
  // PostgreSQL runs as a user of its own, which needs access.
  chmodSync(folder, 0o755);
  const cluster = await PostgresCluster.start({ folder, settings: SETTINGS });
  clusters.set(folder, cluster);
  await prepare(cluster);
  return cluster;
}
