import { connect } from 'node:net';
import { basename } from 'node:path';
import type { Allocator } from '../core/allocator.ts';
import type { Address } from './address.ts';
import { formatAddress, isLoopback } from './address.ts';
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
import { OPEN } from './security/principal.ts';

/** A program on this machine answers sooner. */
const PROBE_MS = 1000;

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
    const door = { logger, observer: metrics, state, authenticator: OPEN };
    logLibrary(logger);
    try {
      await listen('grpc', grpcListen, async () => {
        this.#grpc = await startGrpcServer(
          grpcListen,
          orderNumberService({ ...door, allocator, ledger, stopping: this.#stopping.signal }),
        );
      });
      if (httpListen !== 'off') {
        const isServing = () => this.#isServing;
        const { requireRequestId, httpRequestTimeoutMs, httpIdleTimeoutMs } = this.#settings;
        const times = { requestTimeoutMs: httpRequestTimeoutMs, idleTimeoutMs: httpIdleTimeoutMs };
        const whyNotServing = () => this.#whyNotServing();
        const served = { ...door, allocator, isServing, whyNotServing, requireRequestId };
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

/** Rejects as {@link Listeners.start} does if another program answers at one of the addresses. */
export async function requireAddresses({ grpcListen, httpListen, metricsListen }: ServeSettings): Promise<void> {
  const seen = new Set<string>();
  for (const [name, address] of Object.entries({ grpc: grpcListen, http: httpListen, metrics: metricsListen })) {
    if (address === 'off' || address.port === 0) continue;
    const place = formatAddress(address);
    const flag = `--${name}-listen`;
    if (seen.has(place)) throw new Error(`two listeners share ${place}; choose another address with ${flag}`);
    if (await isTaken(address)) throw new Error(explainTaken(flag, place));
    seen.add(place);
  }
}

/**
 * Whether a program answers there. A connection, and no server of our own that would listen and close again: such a
 * server at the start makes V8 give up on process.nextTick, which costs every later call 4 µs.
 */
function isTaken(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: PROBE_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
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
  if (code === 'EADDRINUSE') return explainTaken(flag, address);
  if (code === 'EACCES') return `this user may not listen on ${address}; choose a port above 1023 with ${flag}`;
  return `cannot listen on ${address} (${messageOf(error)}); check ${flag}`;
}

function explainTaken(flag: string, address: string): string {
  return `${address} is in use by another program; stop it, or choose another address with ${flag}`;
}
