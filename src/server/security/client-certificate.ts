import type { X509Certificate } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The certificate with which a client proved who it is: signed by the client CA, and valid when it connected. */
export interface ClientCertificate {
  /** Its subject alternative names of the kinds URI and DNS, such as `URI:spiffe://…`, in its own order. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate (its DER), in lower-case hex. */
  readonly sha256: string;
}

/** One name as Node.js prints it: one with a comma, a quote or a control character is a JSON string. */
const NAME = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;

/** Asking a connection for its certificate takes longer than the rest of a call; undefined: it has none. */
const known = new WeakMap<Socket, ClientCertificate | undefined>();

/**
 * The certificate of the client behind a connection. Undefined unless the connection is TLS and the certificate was
 * checked against the client CA; once the connection is closed, what it was asked before stays known.
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
