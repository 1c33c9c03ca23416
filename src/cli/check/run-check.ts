import type { Command } from 'commander';
import { ledgerName } from '../../engines/location.ts';
import type { ServeSettings, Setting } from '../../server/settings.ts';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { mistypedVariables } from '../run/mistyped-variables.ts';
import type { RefusedValues, SettingName } from './refused-values.ts';
import { flagOf, SETTING_NAMES } from './refused-values.ts';
import { runCommand } from '../run/run-command.ts';
import { withoutSecrets } from '../run/without-secrets.ts';
import { jsonLine } from '../view/json-form.ts';
import { checkServe } from './check-serve.ts';
import type { Finding } from './findings.ts';
import { isGood, reportJson, reportLines } from './findings.ts';

/** The exit code of any wrong setting. */
const EXIT_WRONG = 2;
/** Settings that have findings of their own. */
const REPORTED_ELSEWHERE: ReadonlySet<SettingName> = new Set([
  'grpcListen',
  'httpListen',
  'metricsListen',
  'ledger',
  'tlsCert',
  'tlsKey',
  'tlsClientCa',
  'tokens',
]);

/** `order-numbers serve --check`: prints what the server would do; the exit code says whether anything is wrong. */
export function runCheck(
  settings: ServeSettings,
  refused: RefusedValues,
  command: Command,
  json: boolean,
): Promise<void> {
  return runCommand(json, async ({ output }) => {
    const findings = [...refusedValues(refused, command), ...chosenValues(refused, command), ...typos()];
    const report = await checkServe({ settings, refused: refused.names, findings });
    const lines = json ? [jsonLine(reportJson(report))] : reportLines(report);
    for (const line of lines) await output.line(line);
    return isGood(report) ? 0 : EXIT_WRONG;
  });
}

function refusedValues(refused: RefusedValues, command: Command): Finding[] {
  return refused.messages(command).map(({ name, message }) => ({
    kind: 'problem',
    flag: flagOf(name),
    text: withoutSecrets(message).replace(/^error: option '[^']*' /, ''),
  }));
}

/** The settings that are not at their defaults. */
function chosenValues(refused: RefusedValues, command: Command): Finding[] {
  return SETTING_NAMES.flatMap((name): Finding[] => {
    const source = command.getOptionValueSource(name);
    if (source === 'default' || REPORTED_ELSEWHERE.has(name) || refused.names.includes(name)) return [];
    const { default: standard, parse, variable }: Setting<unknown> = SERVE_SETTINGS[name];
    const value: unknown = command.getOptionValue(name);
    if (value === parse(standard)) return [];
    const from = source === 'env' ? `, from ${variable}` : '';
    return [{ kind: 'ok', flag: flagOf(name), text: `${shown(name, value)}${from}` }];
  });
}

function shown(name: SettingName, value: unknown): string {
  // A URL may have a password.
  return name === 'ledgerRead' ? ledgerName(String(value)) : String(value);
}

function typos(): Finding[] {
  return mistypedVariables().map((text) => ({ kind: 'warning', flag: 'environment', text }));
}
