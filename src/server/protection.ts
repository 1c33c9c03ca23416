import type { Protection } from './security/exposure.ts';
import type { ServeSettings } from './settings.ts';

/** How the settings protect the listeners. */
export function protectionOf({ tlsCert, tlsClientCa, tokens, metricsSecure }: ServeSettings): Protection {
  const tls = tlsCert !== 'off';
  return {
    tls,
    clientCertificates: tls && tlsClientCa !== 'off',
    tokens: tokens !== 'off',
    metrics: metricsSecure,
  };
}

/** The same for people. */
export function describeProtection({ tls, clientCertificates, tokens }: Protection): string {
  const guards = [tls && 'TLS', clientCertificates && 'client certificates', tokens && 'tokens'].filter(
    (guard) => guard !== false,
  );
  if (guards.length === 0) return 'in plaintext, without tokens';
  return `with ${new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(guards)}`;
}
