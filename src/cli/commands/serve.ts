import { setFlagsFromString } from 'node:v8';
import { Command, Option } from 'commander';
import { engineOf } from '../../engines/location.ts';
import type { Logger } from '../../server/log/log.ts';
import { createLog } from '../../server/log/log.ts';
import { serve } from '../../server/server.ts';
import type { ServeSettings, Setting } from '../../server/settings.ts';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { endAtOnce, stopSignals } from '../../server/stop-signals.ts';
import { makeDefaultFolder, requireFolder } from '../run/ledger-folder.ts';
import { mistypedVariables } from '../run/mistyped-variables.ts';
import { asOptionParser } from '../run/option-values.ts';
import { packageVersion } from '../run/version.ts';

/**
 * How far the heap may grow between two full collections, in percent of what is in use. Only a full collection frees
 * what a finished call leaves behind in HTTP/2; V8's default lets four times as much pile up, for no gain in speed.
 */
const HEAP_GROWING_PERCENT = 100;

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
          `error: --ledger-read needs a PostgreSQL ledger, but --ledger is ${settings.ledger}: omit it, or give ` +
            '--ledger postgres://…',
        );
      }
      requireFolder(settings.ledger, command);
      setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
      const log = createLog(settings.logLevel);
      for (const warning of mistypedVariables()) log.logger.warn(warning);
      logWarnings(log.logger);
      process.exitCode = await serve(settings, {
        log,
        version: packageVersion(),
        stop: stopSignals(log),
        prepareNewLedger: () => makeDefaultFolder(settings.ledger),
      });
      if (!(await log.end())) await endAtOnce(log);
    });
}

/** Logs the warnings of Node.js and of libraries; the default handler would block on writing to standard error. */
function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => logger.warn(`${name}: ${message}`));
}

/** A setting as a commander option; an invalid value ends the program with one line that shows a valid one. */
function optionOf(setting: Setting<unknown>): Option {
  return new Option(setting.flag, setting.help)
    .env(setting.variable)
    .default(setting.parse(setting.default), setting.default)
    .argParser(asOptionParser((text) => setting.parse(text)));
}
