import type { X509Certificate } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** A client's certificate: signed by a CA of --tls-client-ca, and valid when the client connected. */
export interface ClientCertificate {
  /** The URI and DNS names of its subjectAltName, such as `URI:spiffe://…`, in the order of the certificate. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate (its DER), in lower-case hex. */
  readonly sha256: string;
}

/** One name as Node.js prints it: a JSON string if it has a comma, a quote or a control character. */
const NAME = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;

/** A cache, because reading a certificate takes longer than the rest of a call; undefined if there is none. */
const known = new WeakMap<Socket, ClientCertificate | undefined>();

/**
 * The client certificate of a connection. Undefined unless the connection uses TLS and the certificate was verified
 * against --tls-client-ca. The result is cached, so it is available after the connection has closed.
 */
export function clientCertificateOf(socket: Socket): ClientCertificate | undefined {
  const cached = known.get(socket);
  if (cached !== undefined || known.has(socket)) return cached;
  const certificate = readCertificate(socket);
  known.set(socket, certificate);
  return certificate;
}

function readCertificate(socket: Socket): ClientCertificate | undefined {
  try {
    // In Node.js 22 a resumed session counts as authorized although its client never had a certificate.
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const x509 = socket.getPeerX509Certificate();
    return x509 && { names: namesOf(x509), sha256: createHash('sha256').update(x509.raw).digest('hex') };
  } catch {
    // An HTTP/2 session that has just lost its socket throws.
    return undefined;
  }
}

function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return [...subjectAltName.matchAll(NAME)].flatMap(([, kind = '', text = '']) =>
    kind === 'URI' || kind === 'DNS' ? [`${kind}:${text.startsWith('"') ? String(JSON.parse(text)) : text}`] : [],
  );
}
