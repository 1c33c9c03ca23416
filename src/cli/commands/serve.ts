import { setFlagsFromString } from 'node:v8';
import { Command, Option } from 'commander';
import { Allocator } from '../../core/allocator.ts';
import type { ServeSettings, Setting } from '../../server/settings.ts';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { messageOf } from '../../core/errors.ts';
import type { ClosedReason } from '../../core/ledger-state.ts';
import { LedgerState } from '../../core/ledger-state.ts';
import type { Log, Logger } from '../../server/log/log.ts';
import { createLog } from '../../server/log/log.ts';
import type { MetricSources } from '../../server/metrics/metrics.ts';
import { Metrics } from '../../server/metrics/metrics.ts';
import type { BatchSummary, LedgerObserver } from '../../core/observers.ts';
import { engineOf } from '../../engines/location.ts';
import { ClockWatch } from '../../server/clock-watch.ts';
import type { ServedLedger } from '../../engines/engine.ts';
import { startEngine } from '../../engines/registry.ts';
import { environment, warnUnknownVariables } from '../run/environment.ts';
import { makeDefaultFolder, requireFolder } from '../run/ledger-folder.ts';
import { Listeners } from '../../server/listeners.ts';
import { asOptionParser } from '../run/option-values.ts';
import { packageVersion } from '../run/version.ts';
import { endAtOnce, stopSignals } from '../../server/stop-signals.ts';

/** Could not start. */
const EXIT_REFUSED = 1;
/**
 * How far the heap may grow between two full collections, in percent of what is in use. What a finished call
 * leaves behind in HTTP/2 is freed by a full one only; V8's own choice lets four times as much pile up, for no speed.
 */
const HEAP_GROWING_PERCENT = 100;
/** Of the time to drain, at most this is for clients to take their last answers and go. */
const CLOSE_MS = 1000;

/** `order-numbers serve`: every setting is a flag and an environment variable. */
export function serveCommand(): Command {
  const command = new Command('serve');
  const schema: readonly Setting<unknown>[] = Object.values(SERVE_SETTINGS);
  for (const setting of schema) command.addOption(optionOf(setting));
  return command
    .addHelpText(
      'after',
      '\nExamples:\n  order-numbers serve --grpc-listen 127.0.0.1:6000 --ledger /var/lib/orders/orders.db' +
        '\n  order-numbers serve --ledger postgres://orders@db1:5432,db2:5432/orders',
    )
    .action(async (settings: ServeSettings) => {
      if (settings.ledgerRead !== 'off' && engineOf(settings.ledger) !== 'postgres') {
        command.error(
          `error: --ledger-read goes with a PostgreSQL ledger, and --ledger is ${settings.ledger}: leave it out, or give ` +
            '--ledger postgres://…',
        );
      }
      requireFolder(settings.ledger, command);
      setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
      const log = createLog(settings.logLevel);
      for (const warning of warnUnknownVariables(environment())) log.logger.warn(warning);
      logWarnings(log.logger);
      process.exitCode = await serve(settings, log, stopSignals(log));
      if (!(await log.end())) await endAtOnce(log);
    });
}

/**
 * Runs a server until `stop` resolves to the reason, or says in one line why it cannot start. Returns the exit code.
 * Where its drain times out the whole process ends.
 */
export async function serve(settings: ServeSettings, log: Log, stop: Promise<string>): Promise<number> {
  const { logger } = log;
  const metrics = new Metrics();
  let listeners: Listeners | undefined;
  const state = new LedgerState();
  const setOpen = () => listeners?.setOpen(state.isOpen);
  const lost = Promise.withResolvers<'lost'>();
  let engine: ServedLedger;
  try {
    const { create, expectLedgerId } = settings;
    if (create && expectLedgerId === 'none') await makeDefaultFolder(settings.ledger);
    engine = await startEngine(
      settings,
      ledgerObserver({ logger, metrics, state, setOpen, onLost: () => lost.resolve('lost') }),
    );
  } catch (error) {
    return refuse(logger, error);
  }
  const { ledger, name, file } = engine;
  const clock = new ClockWatch(logger);
  const observer = {
    committed(batch: BatchSummary) {
      metrics.committed(batch);
      clock.committed(batch);
    },
  };
  const allocator = new Allocator({ ...settings, ledger, observer });
  const queueLength = () => allocator.queueLength;
  const sources: MetricSources = {
    ...engine.sources,
    version: packageVersion(),
    queueLength,
    logLinesDropped: () => log.dropped(),
    isLedgerOpen: () => state.isOpen,
    ledgerClosedSeconds: () => state.closedSeconds,
  };
  listeners = new Listeners(settings, { allocator, ledger, logger, metrics, sources, state, name, file });
  try {
    await listeners.start();
  } catch (error) {
    await ledger.close();
    return refuse(logger, error);
  }
  try {
    await Promise.race([ledger.ready().then(() => announce(name, listeners, logger)), stop]);
  } catch {
    // The ledger has logged why it cannot be used.
    await listeners.close(0);
    await ledger.close();
    return EXIT_REFUSED;
  }
  const signal = await Promise.race([stop, lost.promise]);
  if (signal === 'lost') {
    listeners.drain();
    await listeners.close(CLOSE_MS);
    await ledger.close();
    return EXIT_REFUSED;
  }

  logger.info({ signal, waiting: allocator.queueLength, limit_ms: settings.drainTimeoutMs }, 'draining');
  listeners.drain();
  const closeMs = Math.min(CLOSE_MS, settings.drainTimeoutMs / 2);
  const drained = await allocator.drain(settings.drainTimeoutMs - closeMs);
  await listeners.close(closeMs);
  if (!drained) {
    logger.error('the drain timed out: callers without an answer have to ask again with the same request_id');
    await endAtOnce(log);
  }
  await ledger.close();
  logger.info('stopped');
  return 0;
}

/** What a {@link LedgerObserver} passes on what it is told to. */
interface Told {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly state: LedgerState;
  /** Called after each change of the state. */
  setOpen(): void;
  onLost(): void;
}

function ledgerObserver({ logger, metrics, state, setOpen, onLost }: Told): LedgerObserver {
  const close = (reason: ClosedReason, why: string) => {
    state.closed(reason, why);
    setOpen();
  };
  return {
    opened({ where, ledgerId, lastOrderId, isNew, bytes }) {
      state.opened();
      setOpen();
      const line = { ledger: where, ledger_id: ledgerId, last_order_id: String(lastOrderId), bytes };
      if (isNew) logger.warn(line, `created a new ledger, ${where}: it numbers from order_id 1`);
      else logger.info(line, 'the ledger is open');
    },
    waiting(why, reason) {
      close(reason, why);
      logger.error(why);
    },
    failed(error) {
      const why = messageOf(error.cause);
      close('an operator has to act', why);
      logger.fatal(why);
    },
    lost(why) {
      close('an operator has to act', why);
      logger.fatal(why);
      onLost();
    },
    warning: (message) => logger.warn(message),
    transaction: (ms, syncMs) => metrics.transaction(ms, syncMs),
  };
}

function announce(ledger: string, listeners: Listeners, logger: Logger): void {
  for (const warning of listeners.warnings()) logger.warn(warning);
  logger.info({ ...listeners.addresses(), ledger }, 'serving');
}

/** Those of Node.js and of libraries: its own handler would write them to standard error, and wait for that. */
function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => logger.warn(`${name}: ${message}`));
}

function refuse(logger: Logger, error: unknown): number {
  logger.fatal(messageOf(error));
  return EXIT_REFUSED;
}

/** A setting as commander's option; a bad value ends the program with one line that says what a good one is. */
function optionOf(setting: Setting<unknown>): Option {
  const option = new Option(setting.flag, setting.help)
    .env(setting.variable)
    .default(setting.parse(setting.default), setting.default)
    .argParser(asOptionParser((text) => setting.parse(text)));
  return option.optional ? option.preset('true') : option;
}
