import type { Server, TlsOptions, TLSSocket } from 'node:tls';
import { HANDSHAKE_MS } from '../../limits.ts';
import type { Logger } from '../../log/log.ts';
import { clientCertificateOf } from '../client-certificate.ts';
import type { Certificates } from './certificates.ts';
import type { HandshakeFailure } from './handshake-failures.ts';
import type { HandshakeObserver } from './handshakes.ts';
import { Handshakes } from './handshakes.ts';

/** How gRPC and HTTP use TLS. */
const PROTOCOLS = {
  // Its clients are programs that prove who they are in the handshake.
  grpc: { alpn: 'h2', requiresAlpn: true, requiresCertificate: true },
  // Its clients may be probes, which have no certificate; and not all of them know ALPN.
  http: { alpn: 'http/1.1', requiresAlpn: false, requiresCertificate: false },
} as const;

/** The TLS of one listener. */
export interface ListenerTls {
  /** For its tls.Server or https.Server, which {@link follow} takes at once. */
  readonly options: TlsOptions;
  /** Whether clients have to prove by a certificate who they are, before they may call a method. */
  readonly asksForCertificate: boolean;
  /** Takes a server that has these options and does not listen yet: bounds its handshakes and renews its certificate. */
  follow(server: Server): FollowedServer;
}

/** A server whose handshakes are bounded and recorded. */
export interface FollowedServer {
  /** Whether a connection may be served; one that may not is ended. Once per connection, when its handshake is done. */
  admits(socket: TLSSocket): boolean;
  /** Ends the handshakes that are under way: no call was made on them. */
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
      certificates.renew(server);
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
          // In Node.js 22 a resumed session gets past the check of the handshake without one.
          const isMissing = requiresCertificate && !clientCertificateOf(socket);
          return isMissing ? refuse(socket, 'client_certificate_missing') : true;
        },
        dropHandshakes: () => handshakes.drop(),
      };
    },
  };
}
