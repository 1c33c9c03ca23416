import { messageOf } from '../../core/errors.ts';
import { ledgerName } from '../../engines/location.ts';
import { lookAtLedger } from '../../engines/registry.ts';
import { formatAddress } from '../../server/address.ts';
import { contradictions } from '../../server/contradictions.ts';
import { listenersOf, whyNotFree } from '../../server/listen-addresses.ts';
import { describeProtection, protectionOf } from '../../server/protection.ts';
import { exposures } from '../../server/security/exposure.ts';
import type { ServeSettings } from '../../server/settings.ts';
import { folderProblem, folderToCreate } from '../run/ledger-folder.ts';
import type { SettingName } from './refused-values.ts';
import { flagOf } from './refused-values.ts';
import { checkTokens } from './check-tokens.ts';
import type { CheckedLedger, CheckReport, Finding } from './findings.ts';

/** The settings of a server that is not started. */
export interface CheckedSettings {
  /** A setting whose value was refused has its default here, which nothing is said about. */
  readonly settings: ServeSettings;
  readonly refused: readonly SettingName[];
  /** What is known about the settings before anything is looked at. */
  readonly findings: readonly Finding[];
}

/**
 * What `order-numbers serve` would do with these settings. It only reads: no file is created or changed, and nothing is
 * served. Each listener's address is listened at for an instant, to see whether it is free.
 */
export async function checkServe(checked: CheckedSettings): Promise<CheckReport> {
  const { settings, refused, findings } = checked;
  const { ledger, findings: ofLedger } = refused.includes('ledger')
    ? { ledger: undefined, findings: [] }
    : await checkLedger(checked);
  const ofTokens = refused.includes('tokens') || settings.tokens === 'off' ? [] : await checkTokens(settings.tokens);
  const ofListeners = await checkListeners(checked);
  return {
    ledger,
    findings: [...findings, ...checkTogether(settings, refused), ...ofLedger, ...ofTokens, ...ofListeners],
  };
}

/** Contradictions between settings that are valid one by one. */
function checkTogether(settings: ServeSettings, refused: readonly SettingName[]): Finding[] {
  return contradictions(settings)
    .filter(({ between }) => !between.some((name) => refused.includes(name)))
    .map(({ flag, text }) => ({ kind: 'problem', flag, text }));
}

async function checkLedger({ settings, refused }: CheckedSettings) {
  const flag = flagOf('ledger');
  const ledger = { name: ledgerName(settings.ledger), ledgerId: undefined, lastOrderId: undefined };
  const only = (kind: Finding['kind'], text: string) => ({ ledger, findings: [{ kind, flag, text }] });
  const problem = folderProblem(settings.ledger);
  if (problem !== undefined) return only('problem', problem);
  const folder = folderToCreate(settings.ledger);
  if (folder !== undefined && settings.create && settings.expectLedgerId === 'none') {
    return only('ok', `${folder} would be created, with a new ledger in it that numbers from order_id 1`);
  }
  return lookAt(ledger, settings, refused);
}

async function lookAt(
  ledger: CheckedLedger,
  settings: ServeSettings,
  refused: readonly SettingName[],
): Promise<{ readonly ledger: CheckedLedger; readonly findings: readonly Finding[] }> {
  const flag = flagOf('ledger');
  // What is refused is named elsewhere, and rules nothing out here.
  const expected = {
    ...(refused.includes('create') && { create: true }),
    ...(refused.includes('ledgerRead') && { ledgerRead: 'off' as const }),
  };
  const look = await lookAtLedger({ ...settings, ...expected }).catch((error: unknown) => messageOf(error));
  if (typeof look === 'string') return { ledger, findings: [{ kind: 'problem', flag, text: look }] };
  const { found, ledgerId, lastOrderId, problems, warnings, notChecked } = look;
  const of = (kind: Finding['kind'], texts: readonly string[]) => texts.map((text) => ({ kind, flag, text }));
  return {
    ledger: { ...ledger, ledgerId, lastOrderId },
    findings: [
      ...of('ok', found === undefined ? [] : [found]),
      ...of('problem', problems),
      ...of('warning', warnings),
      ...of('not checked', notChecked),
    ],
  };
}

/** Where it would listen, what guards each listener, and what does not. */
async function checkListeners({ settings, refused }: CheckedSettings): Promise<Finding[]> {
  const flags = new Set(refused.map(flagOf));
  const listeners = listenersOf(settings).filter(({ flag }) => !flags.has(flag));
  const problems = await whyNotFree(listeners);
  const protection = protectionOf(settings);
  const unguarded = {
    ...protection,
    tls: protection.tls && protection.metrics,
    tokens: protection.tokens && protection.metrics,
  };
  const places = listeners.map(({ flag, address }): Finding => {
    const problem = problems.get(flag);
    if (problem !== undefined) return { kind: 'problem', flag, text: problem };
    const [what, guards] =
      flag === '--metrics-listen'
        ? ['the metrics', { ...unguarded, clientCertificates: false }]
        : [flag === '--grpc-listen' ? 'gRPC' : 'HTTP', protection];
    return { kind: 'ok', flag, text: `${formatAddress(address)} is free, for ${what} ${describeProtection(guards)}` };
  });
  const warnings = exposures(settings, protection).filter(({ flag }) => !flags.has(flag));
  return [...places, ...warnings.map(({ flag, warning }): Finding => ({ kind: 'warning', flag, text: warning }))];
}
