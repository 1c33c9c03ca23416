import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { Command, Option } from 'commander';
import { contradictions } from '../../server/contradictions.ts';
import type { Logger } from '../../server/log/log.ts';
import { protectionOf } from '../../server/protection.ts';
import type { ServeSettings } from '../../server/settings.ts';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { endAtOnce, hangupCalls, stopSignals } from '../../server/stop-signals.ts';
import { environment } from '../run/environment.ts';
import { makeDefaultFolder, requireFolder } from '../run/ledger-folder.ts';
import { mistypedVariables } from '../run/mistyped-variables.ts';
import type { SettingName } from '../check/refused-values.ts';
import { RefusedValues, SETTING_NAMES } from '../check/refused-values.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { withOutput } from '../view/output-option.ts';
import { packageVersion } from '../run/version.ts';

/**
 * How far the heap may grow between two full collections, in percent of what is in use. Only a full collection frees
 * what a finished call leaves behind in HTTP/2; V8's default lets four times as much pile up, for no gain in speed.
 */
const HEAP_GROWING_PERCENT = 100;

interface ServeFlags extends ServeSettings, Pick<OutputFlags, 'json'> {
  readonly check?: true;
}

/** `order-numbers serve`: every setting is a flag and an environment variable. */
export function serveCommand(): Command {
  const command = new Command('serve');
  const refused = new RefusedValues();
  for (const name of SETTING_NAMES) command.addOption(optionOf(name, refused));
  command
    .option(
      '--check',
      'say what the server would do with these settings, and exit: with 2 if there is a problem, otherwise 0',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  order-numbers serve --grpc-listen 127.0.0.1:6000 --ledger /var/lib/orders/orders.db' +
        '\n  order-numbers serve --ledger postgres://orders@db1:5432,db2:5432/orders' +
        '\n  order-numbers serve --check --ledger /var/lib/orders/orders.db',
    );
  return withOutput(command, { json: 'json, one object; with --check only' }).action(
    async ({ check, json, ...settings }: ServeFlags) => {
      if (check) {
        const { runCheck } = await import('../check/run-check.ts');
        return runCheck(settings, refused, command, json ?? false);
      }
      if (json) command.error('error: --json and --output json need --check: the log of a server is always JSON');
      const [invalid] = refused.messages(command);
      if (invalid) command.error(invalid.message);
      const [contradiction] = contradictions(settings);
      if (contradiction) command.error(`error: ${contradiction.text}`);
      requireFolder(settings.ledger, command);
      await run(settings);
    },
  );
}

async function run(settings: ServeSettings): Promise<void> {
  // Not loaded for --help and --check.
  const [{ createLog }, { serve }] = await Promise.all([
    import('../../server/log/log.ts'),
    import('../../server/server.ts'),
  ]);
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  const log = createLog(settings.logLevel);
  for (const warning of mistypedVariables()) log.logger.warn(warning);
  logWarnings(log.logger);
  const reloads = hangupReloads(settings);
  process.exitCode = await serve(settings, {
    log,
    version: packageVersion(),
    variables: environment(),
    stop: stopSignals(log, !reloads),
    onReload: reloads ? hangupCalls() : () => {},
    prepareNewLedger: () => makeDefaultFolder(settings.ledger),
  });
  if (!(await log.end())) await endAtOnce(log);
  // An exporter that the end of the drain has left behind may retry for some seconds more.
  if (settings.otlp !== 'off') process.exit();
}

/** SIGHUP means that the terminal is gone. Without a terminal it means a reload, if the server has files to reload. */
function hangupReloads(settings: ServeSettings): boolean {
  const { tls, tokens } = protectionOf(settings);
  return (tls || tokens) && !isatty(0);
}

/** Logs the warnings of Node.js and of libraries; the default handler would block on writing to standard error. */
function logWarnings(logger: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => logger.warn(`${name}: ${message}`));
}

/** A setting as a commander option; `refused` collects its invalid value. */
function optionOf(name: SettingName, refused: RefusedValues): Option {
  const { flag, help, variable, default: standard, parse } = SERVE_SETTINGS[name];
  return new Option(flag, help).env(variable).default(parse(standard), standard).argParser(refused.parser(name));
}
