import { setTimeout as delay } from 'node:timers/promises';
import Counter from '@prometheus-io/client/lib/counter.js';
import Histogram from '@prometheus-io/client/lib/histogram.js';
import Registry from '@prometheus-io/client/lib/registry.js';
import type { Address } from '../address.ts';
import type { Reason } from '../../core/reasons.ts';
import type { PageServer, PageServerOptions } from './page-server.ts';
import { gauge, registerEventLoop, registerProcess } from './process-metrics.ts';
import { servePage } from './page-server.ts';
import { AuthMetrics, registerCertificate, registerTokens, TlsMetrics } from './security-metrics.ts';
import type { TokenSources } from '../security/token-reload.ts';
import type { LedgerSizes, LedgerSources } from '../../engines/engine.ts';
import type { BatchObserver, BatchSummary } from '../../core/observers.ts';
import type { CalledMethod, CallObserver } from '../calls.ts';

export type { PageServer } from './page-server.ts';

/** The values read at each scrape. A value that throws or rejects is left out. */
export interface MetricSources extends LedgerSources {
  /** The version of this package. */
  readonly version: string;
  /** Requests waiting for a batch. */
  queueLength(): number;
  /** How many may wait: --max-queue. */
  readonly queueLimit: number;
  /** Lines of the log that standard output did not accept. */
  logLinesDropped(): number;
  isLedgerOpen(): boolean;
  /** 0 while it is open. */
  ledgerClosedSeconds(): number;
  /** Absent if the server has no tokens. */
  readonly tokens?: TokenSources;
  /** When the certificate of the server expires, Unix time; undefined without TLS. */
  certificateExpirySeconds?(): number | undefined;
  /** Whether the TLS files in use are the current ones; undefined without TLS. */
  areTlsFilesCurrent?(): boolean | undefined;
}

/** One transport and method: looked up once, because {@link Metrics.ended} runs for every call. */
interface MethodMetrics {
  readonly label: { readonly transport: string; readonly method: string };
  readonly duration: Histogram.Internal<'transport' | 'method'>;
  readonly results: Map<string, Counter.Internal>;
}

/** From a sync of a fast disk to a call that waited for the ledger to be reopened. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A smaller difference is a clock that was adjusted a little, not one that was ahead. */
const HELD_MS = 1000;
const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/** Methods of a transport. Both have fewer; a series for each name that a caller invents would fill the memory. */
const MAX_METHODS = 32;
/** A scrape leaves out the sizes of the ledger's files if the disk takes longer to report them. */
const SIZES_MS = 1000;

/** Counts what happens, for Prometheus, in a registry of its own. No method throws. */
export class Metrics implements CallObserver, BatchObserver {
  readonly registry = new Registry();
  readonly tls = new TlsMetrics(this.registry);
  readonly #auth = new AuthMetrics(this.registry);
  readonly #allocations = this.#counter('allocations_total', 'Requests that were given new numbers.');
  readonly #replays = this.#counter(
    'replays_total',
    'Calls that were answered with numbers given before: retries and duplicates.',
  );
  readonly #held = this.#counter('create_times_held_total', 'Requests numbered while create_time stood still.');
  #lastCreateTimeMs = 0;
  readonly #batchSize = this.#histogram('batch_size', 'Calls answered by one committed batch.', BATCH_SIZES);
  readonly #commit = this.#histogram('commit_duration_seconds', "From a batch's forming to the ledger's answer.");
  readonly #transaction = this.#histogram('ledger_transaction_duration_seconds', 'One transaction of the ledger.');
  readonly #sync = this.#histogram(
    'ledger_sync_duration_seconds',
    'The part of a transaction in which the disk confirms it.',
  );
  readonly #calls = new Counter({
    name: 'order_numbers_calls_total',
    help: 'Calls that ended, by result: OK, or the reason of the refusal.',
    labelNames: ['transport', 'method', 'result'],
    registers: [this.registry],
  });
  readonly #batchRequests = new Counter({
    name: 'order_numbers_batch_requests_total',
    help: 'Requests of calls that have several, by result: OK, or the reason of the refusal.',
    labelNames: ['transport', 'result'],
    registers: [this.registry],
  });
  readonly #callDuration = new Histogram({
    name: 'order_numbers_call_duration_seconds',
    help: "From a call's arrival to its answer, refusals included.",
    labelNames: ['transport', 'method'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly #methods = { grpc: new Map<string, MethodMetrics>(), http: new Map<string, MethodMetrics>() };

  /** How long create_time will stand still, because an order was numbered while a clock was ahead. */
  get clockBehindMs(): number {
    return Math.max(0, this.#lastCreateTimeMs - Date.now());
  }

  ended(transport: 'grpc' | 'http', { name }: Pick<CalledMethod, 'name'>, result: 'OK' | Reason, ms: number): void {
    const metrics = this.#methods[transport].get(name) ?? this.#addMethod(transport, name);
    metrics.duration.observe(amount(ms) / 1000);
    let calls = metrics.results.get(result);
    if (!calls) {
      calls = this.#calls.labels({ ...metrics.label, result });
      metrics.results.set(result, calls);
    }
    calls.inc();
    if (result !== 'OK') this.#auth.ended(result);
  }

  requestsEnded(transport: 'grpc' | 'http', result: 'OK' | Reason, requests: number): void {
    this.#batchRequests.labels({ transport, result }).inc(amount(requests));
    if (result !== 'OK') this.#auth.ended(result, amount(requests));
  }

  committed({ allocated, replayed, createTimeMs, ms }: BatchSummary): void {
    this.#allocations.inc(amount(allocated));
    if (allocated > 0) {
      this.#lastCreateTimeMs = createTimeMs;
      if (this.clockBehindMs > HELD_MS) this.#held.inc(amount(allocated));
    }
    this.#replays.inc(amount(replayed));
    this.#batchSize.observe(amount(allocated + replayed));
    this.#commit.observe(amount(ms) / 1000);
  }

  /** One transaction of the ledger: how long it took, and how much of that the disk took, if that is known. */
  transaction(ms: number, syncMs?: number): void {
    this.#transaction.observe(amount(ms) / 1000);
    if (syncMs !== undefined) this.#sync.observe(amount(syncMs) / 1000);
  }

  #addMethod(transport: 'grpc' | 'http', name: string): MethodMetrics {
    const known = this.#methods[transport];
    const method = known.size < MAX_METHODS ? name : 'other';
    let metrics = known.get(method);
    if (!metrics) {
      const label = { transport, method };
      metrics = { label, duration: this.#callDuration.labels(label), results: new Map() };
      known.set(method, metrics);
    }
    return metrics;
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: `order_numbers_${name}`, help, registers: [this.registry] });
  }

  #histogram(name: string, help: string, buckets = SECONDS): Histogram {
    return new Histogram({ name: `order_numbers_${name}`, help, buckets, registers: [this.registry] });
  }
}

/** Serves GET /metrics, and probes. Rejects if it cannot listen on the address. */
export async function startMetricsServer(
  address: Address,
  metrics: Metrics,
  sources: MetricSources,
  access: Partial<Pick<PageServerOptions, 'probes' | 'refuse' | 'tls'>> = {},
): Promise<PageServer> {
  const registry = new Registry();
  const askSizes = registerSources(registry, sources);
  gauge(
    registry,
    'order_numbers_clock_behind_seconds',
    'How long create_time will stand still; 0 if it follows the clock.',
    () => metrics.clockBehindMs / 1000,
  );
  registerProcess(registry, sources.version);
  const text = async () => {
    await askSizes();
    return `${await metrics.registry.metrics()}\n${await registry.metrics()}`;
  };
  const page = { path: '/metrics', contentType: registry.contentType, text };
  const server = await servePage({ address, page, probes: [], ...access });
  // Last, so that a server that cannot start leaves nothing running.
  const stopLoop = registerEventLoop(registry);
  return {
    address: server.address,
    async close() {
      stopLoop();
      await server.close();
    },
  };
}

/** Returns a function to await before a scrape; it never rejects. */
function registerSources(registry: Registry, sources: MetricSources): () => Promise<void> {
  let sizes: LedgerSizes | undefined;
  /** One request at a time: a hanging disk must not take all the threads of Node.js. */
  let asked: Promise<LedgerSizes | undefined> | undefined;
  gauge(registry, 'order_numbers_queue_length', 'Requests waiting for a batch.', () => sources.queueLength());
  gauge(registry, 'order_numbers_queue_limit', 'How many requests may wait for a batch.', () => sources.queueLimit);
  gauge(registry, 'order_numbers_last_order_id', 'The highest order_id given; rounded above 2^53.', () =>
    Number(sources.lastOrderId()),
  );
  gauge(registry, 'order_numbers_ledger_open', '1 while the ledger is open, 0 while it is closed.', () =>
    Number(sources.isLedgerOpen()),
  );
  gauge(
    registry,
    'order_numbers_ledger_closed_seconds',
    'How long the ledger has been closed; 0 while it is open.',
    () => sources.ledgerClosedSeconds(),
  );
  const dropped = new Counter({
    name: 'order_numbers_log_lines_dropped_total',
    help: 'Log lines that were dropped, because standard output did not accept them.',
    registers: [registry],
    collect() {
      dropped.reset();
      dropped.inc(amount(sources.logLinesDropped()));
    },
  });
  registerTokens(registry, sources.tokens);
  registerCertificate(
    registry,
    () => sources.certificateExpirySeconds?.(),
    () => sources.areTlsFilesCurrent?.() ?? true,
  );
  gauge(registry, 'order_numbers_ledger_database_bytes', "Size of the ledger's database.", () => sizes?.database);
  gauge(registry, 'order_numbers_ledger_wal_bytes', "Size of the ledger's write-ahead log.", () => sizes?.wal);
  return async () => {
    asked ??= Promise.resolve()
      .then(() => sources.ledgerSizes())
      .catch(() => undefined)
      .finally(() => (asked = undefined));
    sizes = await Promise.race([asked, delay(SIZES_MS, undefined, { ref: false })]);
  };
}

/** A value that the library accepts: it throws for others, and the callers of {@link Metrics} have orders to answer. */
function amount(value: number): number {
  return value > 0 && value < Infinity ? value : 0;
}
