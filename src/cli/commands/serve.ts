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
 * How far the heap may grow between two full collections, in percent of what is in use. What a finished call
 * leaves behind in HTTP/2 is freed by a full one only; V8's own choice lets four times as much pile up, for no speed.
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
          `error: --ledger-read goes with a PostgreSQL ledger, and --ledger is ${settings.ledger}: leave it out, or give ` +
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

/** Those of Node.js and of libraries: its own handler would write them to standard error, and wait for that. */
function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => logger.warn(`${name}: ${message}`));
}

/** A setting as commander's option; a bad value ends the program with one line that says what a good one is. */
function optionOf(setting: Setting<unknown>): Option {
  const option = new Option(setting.flag, setting.help)
    .env(setting.variable)
    .default(setting.parse(setting.default), setting.default)
    .argParser(asOptionParser((text) => setting.parse(text)));
  return option.optional ? option.preset('true') : option;
}
