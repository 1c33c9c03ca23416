import { capabilitiesOf, ledgerName } from '../engines/location.ts';
import type { ServeSettings } from './settings.ts';

/** Settings that are valid individually, but not together. */
export interface Contradiction {
  readonly flag: string;
  /** One sentence that names the flags and the remedy. */
  readonly text: string;
  /** The settings that it is about. */
  readonly between: readonly (keyof ServeSettings)[];
}

/** All contradictions, the most important one first. */
export function contradictions(settings: ServeSettings): Contradiction[] {
  return [
    standbyOfAnother(settings),
    halfOfAPair(settings),
    certificatesWithoutTls(settings),
    unguardedMetrics(settings),
  ].filter((found) => found !== undefined);
}

function halfOfAPair({ tlsCert, tlsKey }: ServeSettings): Contradiction | undefined {
  if ((tlsCert === 'off') === (tlsKey === 'off')) return undefined;
  const [given, missing] = tlsKey === 'off' ? ['--tls-cert', '--tls-key'] : ['--tls-key', '--tls-cert'];
  return { flag: given!, text: `${given} needs ${missing}: give both, or neither`, between: ['tlsCert', 'tlsKey'] };
}

function certificatesWithoutTls({ tlsCert, tlsKey, tlsClientCa }: ServeSettings): Contradiction | undefined {
  if (tlsClientCa === 'off' || tlsCert !== 'off' || tlsKey !== 'off') return undefined;
  const text = '--tls-client-ca needs --tls-cert and --tls-key: client certificates need TLS';
  return { flag: '--tls-client-ca', text, between: ['tlsClientCa', 'tlsCert', 'tlsKey'] };
}

function unguardedMetrics({ metricsSecure, tlsCert, tlsKey, tokens }: ServeSettings): Contradiction | undefined {
  if (!metricsSecure || [tlsCert, tlsKey, tokens].some((file) => file !== 'off')) return undefined;
  const text = '--metrics-secure needs --tls-cert and --tls-key, or --tokens: nothing else protects the metrics';
  return { flag: '--metrics-secure', text, between: ['metricsSecure', 'tlsCert', 'tlsKey', 'tokens'] };
}

function standbyOfAnother({ ledger, ledgerRead }: ServeSettings): Contradiction | undefined {
  if (ledgerRead === 'off' || capabilitiesOf(ledger).ledgerRead) return undefined;
  const text = `--ledger-read needs a PostgreSQL ledger, but --ledger is ${ledgerName(ledger)}: omit it, or give --ledger postgres://…`;
  return { flag: '--ledger-read', text, between: ['ledger', 'ledgerRead'] };
}
