import type { Server, TlsOptions, TLSSocket } from 'node:tls';
import { HANDSHAKE_MS } from '../../limits.ts';
import type { Logger } from '../../log/log.ts';
import { clientCertificateOf } from '../client-certificate.ts';
import type { Certificates } from './certificates.ts';
import { CertifiedConnections } from './certified-connections.ts';
import type { HandshakeFailure } from './handshake-failures.ts';
import type { HandshakeObserver } from './handshakes.ts';
import { Handshakes } from './handshakes.ts';

/** How gRPC and HTTP use TLS. */
const PROTOCOLS = {
  // All clients can present a certificate in the handshake.
  grpc: { alpn: 'h2', requiresAlpn: true, requiresCertificate: true },
  // Clients may be probes, which have no certificate, and not all clients support ALPN.
  http: { alpn: 'http/1.1', requiresAlpn: false, requiresCertificate: false },
} as const;

/** The TLS of one listener. */
export interface ListenerTls {
  /** For its tls.Server or https.Server, which is passed to {@link follow} at once. */
  readonly options: TlsOptions;
  /** Whether clients need a certificate before they may call a method. */
  readonly asksForCertificate: boolean;
  /** Limits the handshakes and renews the certificate of a server that has these options and does not listen yet. */
  follow(server: Server): FollowedServer;
}

/** A server whose handshakes are limited and recorded. */
export interface FollowedServer {
  /** Whether to serve a connection; if not, it is ended. Call it once per connection, after the handshake. */
  admits(socket: TLSSocket): boolean;
  /** Drops the handshakes in progress, on which no call was made. */
  dropHandshakes(): void;
}

/** The TLS of a listener for gRPC or HTTP. */
export function listenerTls(
  transport: keyof typeof PROTOCOLS,
  certificates: Certificates,
  logger: Logger,
  observer: HandshakeObserver,
): ListenerTls {
  const { alpn, requiresAlpn, ...protocol } = PROTOCOLS[transport];
  const asksForCertificate = certificates.haveClientCa;
  const requiresCertificate = asksForCertificate && protocol.requiresCertificate;
  return {
    get options() {
      return {
        ...certificates.options,
        ALPNProtocols: [alpn],
        handshakeTimeout: HANDSHAKE_MS,
        requestCert: asksForCertificate,
        rejectUnauthorized: requiresCertificate,
      };
    },
    asksForCertificate,
    follow(server) {
      const certified = asksForCertificate ? new CertifiedConnections(server, certificates) : undefined;
      certificates.renew(server, () => certified?.endForeign());
      const handshakes = new Handshakes(server, { logger, observer, alpn });
      const refuse = (socket: TLSSocket, failure: HandshakeFailure) => {
        handshakes.refused(socket, { failure });
        socket.destroySoon();
        return false;
      };
      return {
        admits(socket) {
          socket.on('error', () => socket.destroy());
          if (requiresAlpn && socket.alpnProtocol !== alpn) return refuse(socket, 'protocol');
          // In Node.js 22 a resumed session passes the check of the handshake even without a certificate.
          const isMissing = requiresCertificate && !clientCertificateOf(socket);
          return isMissing ? refuse(socket, 'client_certificate_missing') : true;
        },
        dropHandshakes: () => handshakes.drop(),
      };
    },
  };
}
