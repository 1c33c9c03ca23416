import { Command, InvalidArgumentError, Option } from 'commander';
import { Allocator } from '../allocator.ts';
import type { ServeSettings, Setting } from '../config.ts';
import { formatAddress, isLoopback, SERVE_SETTINGS } from '../config.ts';
import { SqliteLedger } from '../engines/sqlite/sqlite-ledger.ts';
import type { GrpcServer } from '../grpc/grpc-server.ts';
import { startGrpcServer } from '../grpc/grpc-server.ts';
import { orderNumberService } from '../grpc/order-number-service.ts';
import type { Log, Logger } from '../log.ts';
import { createLog } from '../log.ts';
import { endAtOnce, stopSignals } from './stop-signals.ts';

/** Could not start. */
const EXIT_REFUSED = 1;
/** Of the time to drain, at most this is for clients to take their last answers and go. */
const CLOSE_MS = 1000;

/** `order-numbers serve`: every setting is a flag and an environment variable. */
export function serveCommand(): Command {
  const command = new Command('serve').description('serve order numbers over gRPC until told to stop');
  const schema: readonly Setting<unknown>[] = Object.values(SERVE_SETTINGS);
  for (const setting of schema) command.addOption(optionOf(setting));
  return command
    .addHelpText(
      'after',
      '\nExample:\n  order-numbers serve --grpc-listen 127.0.0.1:6000 --ledger /var/lib/orders/orders.db',
    )
    .action(async (settings: ServeSettings) => {
      const log = createLog(settings.logLevel);
      process.exitCode = await serve(settings, log);
      await log.end();
    });
}

/** Runs a server until it is told to stop, or says in one line why it cannot start. Returns the exit code. */
async function serve(settings: ServeSettings, log: Log): Promise<number> {
  const { logger } = log;
  const stop = stopSignals(log);
  const health = new Health();
  let ledger: SqliteLedger;
  try {
    ledger = openLedger(settings.ledger, health, logger);
  } catch (error) {
    return refuse(logger, error);
  }
  const allocator = new Allocator({ ...settings, ledger });
  let grpc: GrpcServer;
  try {
    grpc = await startGrpcServer(settings.grpcListen, orderNumberService(allocator, logger));
  } catch (error) {
    await ledger.close();
    return refuse(logger, explainListen(settings, error));
  }
  health.attach(grpc);
  try {
    await Promise.race([ledger.ready().then(() => announce(settings, grpc, logger)), stop]);
  } catch {
    // The ledger has logged why it cannot be used.
    await grpc.close(0);
    await ledger.close();
    return EXIT_REFUSED;
  }
  const signal = await stop;

  logger.info({ signal, waiting: allocator.queueLength, limit_ms: settings.drainTimeoutMs }, 'draining');
  health.drain();
  grpc.stopAccepting();
  const closeMs = Math.min(CLOSE_MS, settings.drainTimeoutMs / 2);
  const drained = await allocator.drain(settings.drainTimeoutMs - closeMs);
  await grpc.close(closeMs);
  if (!drained) {
    logger.error('the drain timed out: callers without an answer have to ask again with the same request_id');
    await endAtOnce(log);
  }
  await ledger.close();
  logger.info('stopped');
  return 0;
}

/** What grpc.health.v1 says: SERVING while the ledger is open and the server is not stopping. */
class Health {
  #grpc: GrpcServer | undefined;
  #open = false;
  #draining = false;

  attach(grpc: GrpcServer): void {
    this.#grpc = grpc;
    this.#tell();
  }

  setOpen(open: boolean): void {
    this.#open = open;
    this.#tell();
  }

  drain(): void {
    this.#draining = true;
    this.#tell();
  }

  #tell(): void {
    this.#grpc?.setServing(this.#open && !this.#draining);
  }
}

function openLedger(path: string, health: Health, logger: Logger): SqliteLedger {
  return new SqliteLedger(path, {
    opened() {
      health.setOpen(true);
      logger.info('the ledger is open');
    },
    waiting(why) {
      health.setOpen(false);
      logger.error(why);
    },
    failed(error) {
      health.setOpen(false);
      logger.fatal(messageOf(error.cause));
    },
    warning: (message) => logger.warn(message),
  });
}

function announce(settings: ServeSettings, grpc: GrpcServer, logger: Logger): void {
  const { host } = settings.grpcListen;
  if (!isLoopback(host)) {
    logger.warn(`everybody who can reach ${host} can allocate numbers: gRPC is served without TLS and without tokens`);
  }
  logger.info({ grpc: formatAddress(grpc.address), ledger: settings.ledger }, 'serving');
}

function refuse(logger: Logger, error: unknown): number {
  logger.fatal(messageOf(error));
  return EXIT_REFUSED;
}

function explainListen({ grpcListen }: ServeSettings, error: unknown): string {
  const address = formatAddress(grpcListen);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return `${address} is in use by another program: stop it, or choose another address with --grpc-listen`;
  }
  if (code === 'EACCES') return `${address} may not be used by this user: choose a port above 1023 with --grpc-listen`;
  return `cannot listen on ${address} (${messageOf(error)}): check --grpc-listen`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A setting as commander's option; a bad value ends the program with one line that says what a good one is. */
function optionOf(setting: Setting<unknown>): Option {
  const option = new Option(setting.flag, setting.help)
    .env(setting.variable)
    .default(setting.parse(setting.default), setting.default)
    .argParser((text: string) => {
      try {
        return setting.parse(text);
      } catch (error) {
        throw new InvalidArgumentError(messageOf(error));
      }
    });
  return option.optional ? option.preset('true') : option;
}
