import { onTestFinished } from 'vitest';
import { TcpProxy } from '../tcp-proxy.ts';
import { PostgresCluster } from './cluster.ts';

/** A primary and its standby, and the network between them. */
export interface Pair {
  readonly primary: PostgresCluster;
  readonly standby: PostgresCluster;
  readonly replication: TcpProxy;
}

/** Commits wait for the standby already; all of it ends with the test. */
export async function newPair(): Promise<Pair> {
  const primary = await PostgresCluster.start();
  onTestFinished(() => primary.close());
  const replication = await TcpProxy.start(primary.address);
  onTestFinished(() => replication.close());
  const standby = await primary.makeStandby('standby', replication.address);
  await primary.requireSync('standby');
  await primary.syncsTo('standby');
  return { primary, standby, replication };
}
