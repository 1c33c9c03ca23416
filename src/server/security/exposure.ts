import type { Address } from '../address.ts';
import { formatAddress, isLoopback } from '../address.ts';

/** How the listeners are protected. */
export interface Protection {
  /** Whether gRPC and HTTP are served with TLS. */
  readonly tls: boolean;
  /** Whether their clients have to show a certificate. */
  readonly clientCertificates: boolean;
  /** Whether their calls need a token. */
  readonly tokens: boolean;
  /** Whether the metrics get the same TLS, and ask for a token, too. */
  readonly metrics: boolean;
}

/** The addresses of the listeners, as the settings have them. */
export interface ListenAddresses {
  readonly grpcListen: Address;
  readonly httpListen: Address | 'off';
  readonly metricsListen: Address | 'off';
}

/** A listener that others can misuse. */
export interface Exposure {
  readonly flag: '--grpc-listen' | '--http-listen' | '--metrics-listen';
  /** One sentence: who can do what there, and what to set. */
  readonly warning: string;
}

/** No TLS, and open to everyone. */
export const UNPROTECTED: Protection = { tls: false, clientCertificates: false, tokens: false, metrics: false };

/** The listeners that other machines can reach, and that TLS with tokens or client certificates does not protect. */
export function exposures(
  { grpcListen, httpListen, metricsListen }: ListenAddresses,
  protection: Protection,
): Exposure[] {
  const listeners = [
    { flag: '--grpc-listen', address: grpcListen, warn: (place: string) => warnCalls('gRPC', place, protection) },
    { flag: '--http-listen', address: httpListen, warn: (place: string) => warnCalls('HTTP', place, protection) },
    {
      flag: '--metrics-listen',
      address: metricsListen,
      warn: (place: string) => warnMetrics(place, protection.metrics ? protection : UNPROTECTED),
    },
  ] as const;
  return listeners.flatMap(({ flag, address, warn }) => {
    if (address === 'off' || isLoopback(address.host)) return [];
    const warning = warn(formatAddress(address));
    return warning === undefined ? [] : [{ flag, warning }];
  });
}

function warnCalls(transport: string, place: string, { tls, clientCertificates, tokens }: Protection) {
  if (tls && (tokens || clientCertificates)) return undefined;
  if (tokens) {
    return (
      `anyone on the network path to ${place} can read the tokens that clients send, and use them: ${transport} is ` +
      'served with tokens but without TLS; set --tls-cert and --tls-key'
    );
  }
  if (tls) {
    return (
      `anyone who can reach ${place} can allocate numbers: ${transport} is served with TLS but without tokens; set ` +
      '--tokens, or --tls-client-ca for client certificates'
    );
  }
  return (
    `anyone who can reach ${place} can allocate numbers: ${transport} is served without TLS and without tokens; set ` +
    '--tls-cert, --tls-key and --tokens, or listen on 127.0.0.1'
  );
}

function warnMetrics(place: string, { tls, clientCertificates, tokens }: Protection) {
  if (tls && (tokens || clientCertificates)) return undefined;
  if (tokens) {
    return (
      `anyone on the network path to ${place} can read the tokens that are sent for the metrics, and use them: the ` +
      'metrics are served without TLS; set --tls-cert and --tls-key'
    );
  }
  if (tls) {
    return `anyone who can reach ${place} can read the metrics: they are served with TLS but without tokens; set --tokens`;
  }
  return `anyone who can reach ${place} can read the metrics; listen on 127.0.0.1, or set --metrics-secure with TLS and tokens`;
}
