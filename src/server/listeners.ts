import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import type { Allocator } from '../core/allocator.ts';
import type { Address } from './address.ts';
import { formatAddress, isLoopback, listenOn } from './address.ts';
import type { ServeSettings } from './settings.ts';
import { messageOf } from '../core/errors.ts';
import type { GrpcServer } from './grpc/grpc-server.ts';
import { startGrpcServer } from './grpc/grpc-server.ts';
import { logLibrary } from './grpc/library-log.ts';
import { orderNumberService } from './grpc/order-number-service.ts';
import type { HttpServer } from './http/http-server.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LedgerState } from '../core/ledger-state.ts';
import type { Logger } from './log/log.ts';
import type { Metrics, MetricSources, PageServer } from './metrics/metrics.ts';
import { startMetricsServer } from './metrics/metrics.ts';
import { logWhileClosed } from './closed-ledger.ts';

/** What the listeners serve. */
export interface ListenersContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly sources: MetricSources;
  readonly state: LedgerState;
  /** The ledger's name in the log. */
  readonly name: string;
  /** The ledger's file, which /readyz names; undefined for a ledger that is not a file. */
  readonly file: string | undefined;
}

/** Everything that this process listens on, with one state of health. */
export class Listeners {
  readonly #settings: ServeSettings;
  readonly #context: ListenersContext;
  #grpc: GrpcServer | undefined;
  #http: HttpServer | undefined;
  #metrics: PageServer | undefined;
  readonly #stopping = new AbortController();
  #stopTelling: (() => void) | undefined;
  #isDraining = false;

  constructor(settings: ServeSettings, context: ListenersContext) {
    this.#settings = settings;
    this.#context = context;
  }

  /** Rejects with one sentence that names the address and the flag; nothing listens then. */
  async start(): Promise<void> {
    const { grpcListen, httpListen, metricsListen } = this.#settings;
    const { allocator, ledger, logger, metrics, sources, state } = this.#context;
    logLibrary(logger);
    try {
      await listen('grpc', grpcListen, async () => {
        this.#grpc = await startGrpcServer(
          grpcListen,
          orderNumberService({ allocator, ledger, logger, observer: metrics, stopping: this.#stopping.signal, state }),
        );
      });
      if (httpListen !== 'off') {
        const isServing = () => this.#isServing;
        const { requireRequestId, httpRequestTimeoutMs, httpIdleTimeoutMs } = this.#settings;
        const times = { requestTimeoutMs: httpRequestTimeoutMs, idleTimeoutMs: httpIdleTimeoutMs };
        const whyNotServing = () => this.#whyNotServing();
        const served = { allocator, logger, observer: metrics, isServing, whyNotServing, requireRequestId, state };
        const options = { address: httpListen, ...times, ...served };
        await listen('http', httpListen, async () => {
          const { startHttpServer } = await import('./http/http-server.ts');
          this.#http = await startHttpServer(options);
        });
      }
      if (metricsListen !== 'off') {
        await listen('metrics', metricsListen, async () => {
          this.#metrics = await startMetricsServer(metricsListen, metrics, sources);
        });
      }
    } catch (error) {
      await this.close(0);
      throw error;
    }
    this.tellHealth();
    const { name, file } = this.#context;
    this.#stopTelling = logWhileClosed({ state, logger, name, path: file, queueLength: () => allocator.queueLength });
  }

  /** The addresses that it listens on, for the log. */
  addresses(): Record<string, string> {
    const all = { grpc: this.#grpc, http: this.#http, metrics: this.#metrics };
    return Object.fromEntries(
      Object.entries(all).flatMap(([name, server]) => (server ? [[name, formatAddress(server.address)]] : [])),
    );
  }

  /** One sentence for each listener that others can reach. */
  warnings(): string[] {
    const { grpcListen, httpListen, metricsListen } = this.#settings;
    const unprotected = 'is served without TLS and without tokens';
    const listening = [
      [grpcListen, `allocate numbers: gRPC ${unprotected}`],
      [httpListen, `allocate numbers: HTTP ${unprotected}`],
      [metricsListen, 'read the metrics'],
    ] as const;
    return listening.flatMap(([address, what]) =>
      address === 'off' || isLoopback(address.host) ? [] : [`anyone who can reach ${address.host} can ${what}`],
    );
  }

  /** Call it after each change of the ledger's state. */
  tellHealth(): void {
    this.#grpc?.setServing(this.#isServing, this.#whyNotServing()['reason']);
  }

  /** Says NOT_SERVING and takes no new connection; calls on those that are open go on. */
  drain(): void {
    this.#isDraining = true;
    this.#stopping.abort();
    this.tellHealth();
    this.#grpc?.stopAccepting();
    this.#http?.stopAccepting();
  }

  async close(graceMs: number): Promise<void> {
    this.#stopTelling?.();
    await Promise.all([this.#grpc?.close(graceMs), this.#http?.close(graceMs), this.#metrics?.close()]);
  }

  get #isServing(): boolean {
    return this.#context.state.isOpen && !this.#isDraining;
  }

  /** What /readyz says: the name of the file, and never a path or host. */
  #whyNotServing(): Readonly<Record<string, string>> {
    if (this.#isDraining) return { reason: 'draining' };
    const { state, file } = this.#context;
    return { reason: state.reason, ...(file !== undefined && { ledger: basename(file) }) };
  }
}

/**
 * Rejects as {@link Listeners.start} does if it cannot listen on one of the addresses. It listens on all of them for a
 * moment, so it is for a server that has no callers yet.
 */
export async function requireAddresses({ grpcListen, httpListen, metricsListen }: ServeSettings): Promise<void> {
  const probes: Server[] = [];
  try {
    for (const [name, address] of Object.entries({ grpc: grpcListen, http: httpListen, metrics: metricsListen })) {
      if (address === 'off') continue;
      const probe = createServer((socket) => socket.destroy());
      await listen(name, address, () => listenOn(probe, address));
      probes.push(probe);
    }
  } finally {
    await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  }
}

async function listen(name: string, address: Address, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    throw new Error(explain(`--${name}-listen`, formatAddress(address), error), { cause: error });
  }
}

function explain(flag: string, address: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return `${address} is in use by another program; stop it, or choose another address with ${flag}`;
  }
  if (code === 'EACCES') return `this user may not listen on ${address}; choose a port above 1023 with ${flag}`;
  return `cannot listen on ${address} (${messageOf(error)}); check ${flag}`;
}
