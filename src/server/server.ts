import { existsSync } from 'node:fs';
import { Allocator } from '../core/allocator.ts';
import { messageOf } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { LedgerState } from '../core/ledger-state.ts';
import type { BatchObserver } from '../core/observers.ts';
import { engineOf } from '../engines/location.ts';
import { startEngine } from '../engines/registry.ts';
import { ClockWatch } from './clock-watch.ts';
import { ActivityMeter } from './figures/activity-meter.ts';
import { ledgerObserver } from './ledger-observer.ts';
import { requireAddresses } from './listen-addresses.ts';
import { Listeners } from './listeners.ts';
import type { Log, Logger } from './log/log.ts';
import type { MetricSources } from './metrics/metrics.ts';
import { Metrics } from './metrics/metrics.ts';
import type { Security } from './security/open-security.ts';
import { openSecurity } from './security/open-security.ts';
import type { ServeSettings } from './settings.ts';
import { endAtOnce } from './stop-signals.ts';
import type { Tracing } from './tracing/call-tracer.ts';
import { openTracing } from './tracing/open-tracing.ts';
import type { Variables } from './tracing/variables.ts';

/** The exit code of a server that could not start, or lost its ledger. */
const EXIT_REFUSED = 1;
/** The part of the drain time, at most, in which clients may read their last answers and disconnect. */
const CLOSE_MS = 1000;
/** The part of the drain time, at most, in which the last spans are sent. */
const SPANS_MS = 2000;

/** What the process provides to its server. */
export interface ServerHost {
  readonly log: Log;
  /** The version of this package. */
  readonly version: string;
  /** The variables of the environment, some of which are OpenTelemetry's. */
  readonly variables: Variables;
  /** Resolves to the reason to stop. */
  readonly stop: Promise<string>;
  /** Calls `listener` each time that the files of the settings are to be read again. */
  onReload(listener: () => void): void;
  /** Creates what a new ledger needs, before it is created. */
  prepareNewLedger(): Promise<void>;
}

/** What exists before anything is opened. */
interface Opened {
  readonly security: Security;
  readonly metrics: Metrics;
  /** Undefined if the server sends no traces. */
  readonly tracing: Tracing | undefined;
}

/** A server that listens, whether or not its ledger is open yet. */
interface StartedServer {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  readonly listeners: Listeners;
  /** The ledger's name in the log. */
  readonly name: string;
  /** Resolves if the open files of the ledger were moved or removed. */
  readonly lost: Promise<undefined>;
}

/**
 * Runs a server until it is told to stop, or says in one line why it cannot start. Returns the exit code of the
 * process; a drain that takes too long ends the whole process.
 */
export async function serve(settings: ServeSettings, host: ServerHost): Promise<number> {
  const { logger } = host.log;
  const metrics = new Metrics();
  let security: Security;
  try {
    security = await openSecurity(settings, logger, metrics.tls);
  } catch (error) {
    logger.fatal(messageOf(error));
    return EXIT_REFUSED;
  }
  host.onReload(() => security.reload());
  try {
    const { variables, version } = host;
    const tracing = await openTracing({ otlp: settings.otlp, variables, version, logger });
    return await runUntilStopped(settings, host, { security, metrics, tracing });
  } finally {
    security.close();
  }
}

async function runUntilStopped(settings: ServeSettings, host: ServerHost, own: Opened): Promise<number> {
  const { logger } = host.log;
  let server: StartedServer;
  try {
    server = await start(settings, host, own);
  } catch (error) {
    logger.fatal(messageOf(error));
    return EXIT_REFUSED;
  }
  const { ledger, listeners, lost } = server;
  try {
    await Promise.race([ledger.ready().then(() => announce(server, own.tracing?.to, logger)), host.stop]);
  } catch {
    // The ledger has logged why it cannot be used.
    await listeners.close(0);
    await own.tracing?.close(CLOSE_MS);
    await ledger.close();
    return EXIT_REFUSED;
  }
  const signal = await Promise.race([host.stop, lost]);
  if (signal === undefined) {
    listeners.drain();
    await listeners.close(CLOSE_MS);
    await own.tracing?.close(CLOSE_MS);
    await ledger.close();
    return EXIT_REFUSED;
  }
  await drain({ ...server, tracing: own.tracing }, settings.drainTimeoutMs, signal, host.log);
  return 0;
}

/** Rejects with one sentence that says what to do; nothing is left open then. */
async function start(
  settings: ServeSettings,
  { log, version, prepareNewLedger }: ServerHost,
  { security, metrics, tracing }: Opened,
): Promise<StartedServer> {
  const { logger } = log;
  const state = new LedgerState();
  const lost = Promise.withResolvers<undefined>();
  let listeners: Listeners | undefined;
  const onChange = () => listeners?.tellHealth();
  const onLost = () => lost.resolve(undefined);
  if (settings.create && settings.expectLedgerId === 'none') {
    // Checked before the file is created, which a refused start would leave behind.
    if (isNewFile(settings.ledger)) await requireAddresses(settings);
    await prepareNewLedger();
  }
  const opened = await startEngine(settings, ledgerObserver({ logger, metrics, state, onChange, onLost }));
  const { ledger, name, file } = opened;
  const meter = new ActivityMeter();
  const observer = batchObserver(metrics, meter, new ClockWatch(logger));
  const allocator = new Allocator({ ...settings, ledger, observer });
  const sources: MetricSources = {
    ...opened.sources,
    version,
    queueLength: () => allocator.queueLength,
    queueLimit: settings.maxQueue,
    logLinesDropped: () => log.dropped(),
    isLedgerOpen: () => state.isOpen,
    ledgerClosedSeconds: () => state.closedSeconds,
    ...(security.tokens && { tokens: security.tokens }),
    certificateExpirySeconds: () => security.tls?.certificates.expirySeconds,
    areTlsFilesCurrent: () => security.tls?.certificates.isCurrent,
  };
  const engine = engineOf(settings.ledger);
  const served = { allocator, ledger, security, logger, metrics, meter, sources, state, name, engine, file };
  listeners = new Listeners(settings, { ...served, ...(tracing && { tracer: tracing.tracer }) });
  try {
    await listeners.start();
  } catch (error) {
    await ledger.close();
    throw error;
  }
  return { allocator, ledger, listeners, name, lost: lost.promise };
}

function isNewFile(ledger: string): boolean {
  return engineOf(ledger) === 'sqlite' && !existsSync(ledger);
}

function batchObserver(...observers: readonly BatchObserver[]): BatchObserver {
  return { committed: (batch) => observers.forEach((observer) => observer.committed(batch)) };
}

function announce({ listeners, name }: StartedServer, traces: string | undefined, logger: Logger): void {
  for (const warning of listeners.warnings()) logger.warn(warning);
  logger.info({ ...listeners.addresses(), ledger: name, ...(traces !== undefined && { traces }) }, 'serving');
}

/** Answers the accepted calls, within the limit, and closes everything. */
async function drain(
  { allocator, ledger, listeners, tracing }: StartedServer & Pick<Opened, 'tracing'>,
  limitMs: number,
  signal: string,
  log: Log,
): Promise<void> {
  const { logger } = log;
  const began = performance.now();
  logger.info({ signal, waiting: allocator.queueLength, limit_ms: limitMs }, 'draining');
  listeners.drain();
  const closeMs = Math.min(CLOSE_MS, limitMs / 2);
  const isDrained = await allocator.drain(limitMs - closeMs);
  await listeners.close(closeMs);
  if (!isDrained) {
    logger.error('the drain timed out; callers without an answer must retry with the same request_id');
    await endAtOnce(log);
  }
  const leftMs = Math.max(0, limitMs - (performance.now() - began));
  await Promise.all([ledger.close(), tracing?.close(Math.min(SPANS_MS, leftMs))]);
  logger.info('stopped');
}
