import { messageOf } from '../../core/errors.ts';
import { ledgerName } from '../../engines/location.ts';
import { lookAtLedger } from '../../engines/registry.ts';
import { formatAddress } from '../../server/address.ts';
import { contradictions } from '../../server/contradictions.ts';
import { listenersOf, whyNotFree } from '../../server/listen-addresses.ts';
import { describeProtection, protectionOf } from '../../server/protection.ts';
import type { Protection } from '../../server/security/exposure.ts';
import { exposures, UNPROTECTED } from '../../server/security/exposure.ts';
import type { ServeSettings } from '../../server/settings.ts';
import { folderProblem, folderToCreate } from '../run/ledger-folder.ts';
import type { SettingName } from './refused-values.ts';
import { flagOf } from './refused-values.ts';
import { checkTls } from './check-tls.ts';
import { checkTokens } from './check-tokens.ts';
import { checkTraces } from './check-traces.ts';
import type { CheckReport, Finding } from './findings.ts';

/** What is served on each listener. */
const SERVED: Readonly<Record<string, string>> = {
  '--grpc-listen': 'gRPC',
  '--http-listen': 'HTTP',
  '--metrics-listen': 'the metrics',
};
/** The settings on which the protection depends. */
const GUARDS: readonly SettingName[] = ['tlsCert', 'tlsKey', 'tlsClientCa', 'tokens', 'metricsSecure'];

/** The settings of a server that is not started. */
export interface CheckedSettings {
  /** A setting whose value was refused has its default here; the default is not reported. */
  readonly settings: ServeSettings;
  readonly refused: readonly SettingName[];
  /** Findings about the settings alone, before any file or address is checked. */
  readonly findings: readonly Finding[];
}

/**
 * What `order-numbers serve` would do with these settings. It only reads: no file is created or changed, and nothing is
 * served. It listens on each address for an instant, to see whether it is free.
 */
export async function checkServe(checked: CheckedSettings): Promise<CheckReport> {
  const { settings, refused, findings } = checked;
  const { ledger, findings: ofLedger } = refused.includes('ledger')
    ? { ledger: undefined, findings: [] }
    : await checkLedger(settings);
  return {
    ledger,
    findings: [
      ...findings,
      ...checkTogether(settings, refused),
      ...ofLedger,
      ...(await checkTls(settings)),
      ...(await checkTokens(settings)),
      ...(await checkListeners(checked)),
      ...(await checkTraces(settings)),
    ],
  };
}

/** Contradictions between settings that are valid individually. */
function checkTogether(settings: ServeSettings, refused: readonly SettingName[]): Finding[] {
  return contradictions(settings)
    .filter(({ between }) => !between.some((name) => refused.includes(name)))
    .map(({ flag, text }) => ({ kind: 'problem', flag, text }));
}

async function checkLedger(settings: ServeSettings) {
  const flag = flagOf('ledger');
  const ledger = { name: ledgerName(settings.ledger), ledgerId: undefined, lastOrderId: undefined };
  const only = (kind: Finding['kind'], text: string) => ({ ledger, findings: [{ kind, flag, text }] });
  const problem = folderProblem(settings.ledger);
  if (problem !== undefined) return only('problem', problem);
  const folder = folderToCreate(settings.ledger);
  if (folder !== undefined && settings.create && settings.expectLedgerId === 'none') {
    return only('ok', `${folder} would be created, with a new ledger in it that numbers from order_id 1`);
  }
  const look = await lookAtLedger(settings).catch((error: unknown) => messageOf(error));
  if (typeof look === 'string') return only('problem', look);
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

/** Whether each address is free, how it is protected, and which protection is missing. */
async function checkListeners({ settings, refused }: CheckedSettings): Promise<Finding[]> {
  const isKnown = ({ flag }: { readonly flag: string }) => !refused.some((name) => flagOf(name) === flag);
  const listeners = listenersOf(settings).filter(isKnown);
  const problems = await whyNotFree(listeners);
  // Unknown if a value was refused: its default means no protection.
  const protection = GUARDS.some((name) => refused.includes(name)) ? undefined : protectionOf(settings);
  const places = listeners.map(({ flag, address }): Finding => {
    const problem = problems.get(flag);
    if (problem !== undefined) return { kind: 'problem', flag, text: problem };
    const guards = protection && describeProtection(flag === '--metrics-listen' ? ofMetrics(protection) : protection);
    return {
      kind: 'ok',
      flag,
      text: `${formatAddress(address)} is free, and would serve ${SERVED[flag]} ${guards ?? ''}`.trimEnd(),
    };
  });
  const warnings = protection ? exposures(settings, protection).filter(isKnown) : [];
  return [...places, ...warnings.map(({ flag, warning }): Finding => ({ kind: 'warning', flag, text: warning }))];
}

/** The metrics require no client certificate, and are protected only with --metrics-secure. */
function ofMetrics({ metrics, tls, tokens }: Protection): Protection {
  return { ...UNPROTECTED, tls: tls && metrics, tokens: tokens && metrics };
}
