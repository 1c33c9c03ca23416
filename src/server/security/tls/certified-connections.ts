import type { Server, TLSSocket } from 'node:tls';
import { HANDSHAKE_MS } from '../../limits.ts';
import type { ConnectedCertificate } from '../client-certificate.ts';
import { clientCertificateOf } from '../client-certificate.ts';
import type { Certificates } from './certificates.ts';

/** Between two looks at the clock, which may be put forward. */
const EXPIRY_MS = 500;

/**
 * The open connections of a listener that have a client certificate. A handshake checks it only once; here it ends when
 * it expires, and when the client CA no longer has the authority that signed it.
 */
export class CertifiedConnections {
  readonly #certificates: Certificates;
  readonly #open = new Set<ConnectedCertificate>();
  /** When an authority was lost last. */
  #lostAt = -Infinity;

  /** Follows a server that does not listen yet, until it is closed. */
  constructor(server: Server, certificates: Certificates) {
    this.#certificates = certificates;
    const clock = setInterval(() => this.#endExpired(), EXPIRY_MS).unref();
    server.once('close', () => clearInterval(clock));
    server.on('secureConnection', (socket) => this.#add(socket));
  }

  /** Ends the certificates that none of the authorities in use has signed. */
  endForeign(): void {
    this.#lostAt = performance.now();
    for (const certificate of this.#open) certificate.endUnlessSignedBy(this.#certificates.clientAuthorities);
  }

  #add(socket: TLSSocket): void {
    const certificate = clientCertificateOf(socket);
    if (!certificate) return;
    this.#open.add(certificate);
    socket.once('close', () => this.#open.delete(certificate));
    // Its handshake may have begun with the authorities of before.
    if (performance.now() - this.#lostAt < HANDSHAKE_MS) {
      certificate.endUnlessSignedBy(this.#certificates.clientAuthorities);
    }
  }

  #endExpired(): void {
    const now = Date.now();
    for (const certificate of this.#open) certificate.endIfExpired(now);
  }
}
