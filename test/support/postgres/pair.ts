import { onTestFinished } from 'vitest';
import { TcpProxy } from '../network/tcp-proxy.ts';
import { PostgresCluster } from './cluster/cluster.ts';

/** A primary and its standby, with a proxy between them. */
export interface Pair {
  readonly primary: PostgresCluster;
  readonly standby: PostgresCluster;
  readonly replication: TcpProxy;
  close(): Promise<void>;
}

/** Commits wait for the standby when this resolves. Close it. */
export async function startPair(): Promise<Pair> {
  const primary = await PostgresCluster.start();
  const replication = await TcpProxy.start(primary.address);
  const standby = await primary.makeStandby('standby', replication.address);
  await primary.requireSync('standby');
  await primary.syncsTo('standby');
  const close = async () => void (await Promise.all([primary.close(), replication.close()]));
  return { primary, standby, replication, close };
}

/** The same, for one test. */
export async function newPair(): Promise<Pair> {
  const pair = await startPair();
  onTestFinished(() => pair.close());
  return pair;
}
