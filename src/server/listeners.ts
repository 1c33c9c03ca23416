import { basename } from 'node:path';
import type { Allocator } from '../core/allocator.ts';
import { formatAddress } from './address.ts';
import type { CallObserver } from './calls.ts';
import type { ActivityMeter } from './figures/activity-meter.ts';
import type { ServerStatus } from './figures/server-watch.ts';
import { ServerWatch } from './figures/server-watch.ts';
import type { ServeSettings } from './settings.ts';
import type { GrpcServer } from './grpc/grpc-server.ts';
import { startGrpcServer } from './grpc/grpc-server.ts';
import { logLibrary } from './grpc/library-log.ts';
import { orderNumberService } from './methods/order-number-service.ts';
import { probesOf } from './http/probes.ts';
import type { HttpServer } from './http/http-server.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LedgerState } from '../core/ledger-state.ts';
import type { Logger } from './log/log.ts';
import type { Metrics, MetricSources, PageServer } from './metrics/metrics.ts';
import { metricsDoor } from './metrics/metrics-door.ts';
import { startMetricsServer } from './metrics/metrics.ts';
import { logWhileClosed } from './closed-ledger.ts';
import { listen } from './listen-addresses.ts';
import { protectionOf } from './protection.ts';
import { exposures } from './security/exposure.ts';
import { FailedAttempts } from './security/failed-attempts.ts';
import type { Security } from './security/open-security.ts';
import type { CallTracer } from './tracing/call-tracer.ts';

/** What the listeners serve. */
export interface ListenersContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly security: Security;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly meter: ActivityMeter;
  readonly sources: MetricSources;
  readonly state: LedgerState;
  /** Absent if the server sends no traces. */
  readonly tracer?: CallTracer;
  /** The ledger's name in the log. */
  readonly name: string;
  /** The name of the engine that keeps it. */
  readonly engine: string;
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
  readonly #closing = new AbortController();
  readonly #startTimeMs = Date.now();
  #stopTelling: (() => void) | undefined;
  #isDraining = false;

  constructor(settings: ServeSettings, context: ListenersContext) {
    this.#settings = settings;
    this.#context = context;
  }

  /** Rejects with one sentence that names the address and the flag; nothing listens then. */
  async start(): Promise<void> {
    const { grpcListen, httpListen, metricsListen, metricsSecure } = this.#settings;
    const { allocator, ledger, security, logger, metrics, meter, sources, state, tracer } = this.#context;
    const failedAttempts = new FailedAttempts();
    const records = { logger, observer: callObserver(metrics, meter), state, ...(tracer && { tracer }) };
    const door = { ...records, authenticator: security.authenticator, failedAttempts };
    logLibrary(logger);
    try {
      const serverWatch = new ServerWatch(meter, () => this.#status());
      const [stopping, closing] = [this.#stopping.signal, this.#closing.signal];
      const methods = orderNumberService({ allocator, ledger, logger, serverWatch, stopping, closing });
      await listen('grpc', grpcListen, async () => {
        this.#grpc = await startGrpcServer(grpcListen, methods, door, security.tls?.of('grpc'));
      });
      if (httpListen !== 'off') {
        const isServing = () => this.#isServing;
        const { requireRequestId, httpRequestTimeoutMs, httpIdleTimeoutMs, httpHosts, httpOrigins } = this.#settings;
        const times = { requestTimeoutMs: httpRequestTimeoutMs, idleTimeoutMs: httpIdleTimeoutMs };
        const whyNotServing = () => this.#whyNotServing();
        const served = { ...door, allocator, methods, isServing, whyNotServing, requireRequestId };
        const tls = security.tls?.of('http');
        const web = { hosts: httpHosts, origins: httpOrigins };
        const options = { address: httpListen, ...web, ...times, ...served, ...(tls && { tls }) };
        await listen('http', httpListen, async () => {
          const { startHttpServer } = await import('./http/http-server.ts');
          this.#http = await startHttpServer(options);
        });
      }
      if (metricsListen !== 'off') {
        await listen('metrics', metricsListen, async () => {
          const refuse = metricsDoor({ ...door, authenticator: security.scrapers });
          const access = metricsSecure ? { tls: security.tls?.of('http'), refuse } : {};
          this.#metrics = await startMetricsServer(metricsListen, metrics, sources, {
            probes: probesOf({ isServing: () => this.#isServing, whyNotServing: () => this.#whyNotServing() }),
            ...access,
          });
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

  /** One sentence for each listener that other machines can reach without TLS and credentials. */
  warnings(): string[] {
    return exposures(this.#settings, protectionOf(this.#settings)).map(({ warning }) => warning);
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
    this.#closing.abort();
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

  #status(): ServerStatus {
    const { sources, allocator, state, engine } = this.#context;
    return {
      state: this.#isDraining ? 'draining' : state.isOpen ? 'serving' : 'ledger closed',
      reason: this.#isServing ? '' : (this.#whyNotServing()['reason'] ?? ''),
      ledgerClosedSeconds: state.closedSeconds,
      lastOrderId: sources.lastOrderId(),
      waitingRequests: allocator.queueLength,
      version: sources.version,
      engine,
      startTimeMs: this.#startTimeMs,
    };
  }
}

/** Written out, because it runs for every call. */
function callObserver(metrics: CallObserver, meter: CallObserver): CallObserver {
  return {
    ended(transport, method, result, ms) {
      metrics.ended(transport, method, result, ms);
      meter.ended(transport, method, result, ms);
    },
    requestsEnded(transport, result, requests) {
      metrics.requestsEnded(transport, result, requests);
      meter.requestsEnded(transport, result, requests);
    },
  };
}
