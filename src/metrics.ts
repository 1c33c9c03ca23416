import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from './config.ts';
import type { Reason } from './errors.ts';
import type { BatchObserver, CallObserver, CommittedBatch } from './observers.ts';

/** What is asked for at each scrape. */
export interface MetricSources {
  /** Requests waiting for a batch. */
  queueLength(): number;
  lastOrderId(): bigint;
  /** In bytes; undefined where the engine keeps no files. */
  ledgerSizes(): Promise<{ readonly database: number; readonly wal: number } | undefined>;
}

/** Counts what happens, for Prometheus. */
export class Metrics implements CallObserver, BatchObserver {
  ended(_transport: 'grpc' | 'http', _method: string, _result: 'OK' | Reason, _ms: number): void {}
  committed(_batch: CommittedBatch): void {}
  /** One transaction of the ledger: whole, and of that what the disk took to confirm it. */
  transaction(_ms: number, _syncMs: number): void {}
}

/** A server of /metrics that listens. */
export interface MetricsServer {
  readonly address: Address;
  close(): Promise<void>;
}

/** Serves GET /metrics. Rejects where the address cannot be had. */
export async function startMetricsServer(
  address: Address,
  _metrics: Metrics,
  _sources: MetricSources,
): Promise<MetricsServer> {
  const server: Server = createServer((_request, response) => response.end());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { host: address.host, port: bound.port },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
