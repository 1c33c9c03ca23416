import type { X509Certificate } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { OrderError } from '../../core/errors.ts';
import { certificateExpired, certificateForeign } from '../../core/refusals.ts';

/** A client's certificate: signed by a CA of --tls-client-ca, and valid when the client connected. */
export interface ClientCertificate {
  /** The URI and DNS names of its subjectAltName, such as `URI:spiffe://…`, in the order of the certificate. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate (its DER), in lower-case hex. */
  readonly sha256: string;
  /** Aborts when it expires or its authority is no longer trusted, with the refusal as its reason. */
  readonly ended: AbortSignal;
}

/** A longer chain is not followed. */
const MAX_CHAIN = 10;

/** The certificate of one connection. */
export class ConnectedCertificate implements ClientCertificate {
  readonly names: readonly string[];
  readonly sha256: string;
  readonly #x509: X509Certificate;
  readonly #endMs: number;
  readonly #ended = new AbortController();

  constructor(x509: X509Certificate) {
    this.names = namesOf(x509);
    this.sha256 = createHash('sha256').update(x509.raw).digest('hex');
    this.#x509 = x509;
    this.#endMs = x509.validToDate.getTime();
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Throws the refusal of a certificate that has expired since its client connected. */
  requireValid(nowMs: number): void {
    if (nowMs >= this.#endMs) throw this.#expired();
  }

  endIfExpired(nowMs: number): void {
    if (nowMs >= this.#endMs && !this.ended.aborted) this.#ended.abort(this.#expired());
  }

  /** Ends it unless one of these authorities has signed it, or the last certificate that its client sent with it. */
  endUnlessSignedBy(authorities: readonly X509Certificate[]): void {
    let signed: X509Certificate | undefined = this.#x509;
    for (let depth = 0; signed && depth < MAX_CHAIN; depth++) {
      const { issuerCertificate }: X509Certificate = signed;
      for (const authority of authorities) if (isSignedBy(signed, authority)) return;
      signed = issuerCertificate;
    }
    this.#ended.abort(certificateForeign(this.#who));
  }

  get #who(): string {
    return this.names[0] ?? this.sha256;
  }

  #expired(): OrderError {
    return certificateExpired(this.#who, this.#x509.validToDate.toISOString());
  }
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

/** One name as Node.js prints it: a JSON string if it has a comma, a quote or a control character. */
const NAME = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;

/** A cache, because reading a certificate takes longer than the rest of a call; undefined if there is none. */
const known = new WeakMap<Socket, ConnectedCertificate | undefined>();
/** Where a socket keeps it, too: an HTTP/2 session presents a proxy of its socket, which has the same fields. */
const CERTIFICATE = Symbol('certificate');

interface CertifiedSocket extends TLSSocket {
  [CERTIFICATE]?: ConnectedCertificate;
}

/**
 * The client certificate of a connection. Undefined unless the connection uses TLS and the certificate was verified
 * against --tls-client-ca. The result is cached, so it is available after the connection has closed.
 */
export function clientCertificateOf(socket: Socket): ConnectedCertificate | undefined {
  const cached = known.get(socket);
  if (cached !== undefined || known.has(socket)) return cached;
  const certificate = readCertificate(socket);
  known.set(socket, certificate);
  return certificate;
}

/** The same for a call: throws TOKEN_INVALID if the certificate has expired meanwhile. */
export function validCertificateOf(socket: Socket): ClientCertificate | undefined {
  const certificate = clientCertificateOf(socket);
  certificate?.requireValid(Date.now());
  return certificate;
}

function readCertificate(socket: Socket): ConnectedCertificate | undefined {
  try {
    // In Node.js 22 a resumed session counts as authorized although its client never had a certificate.
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const certified: CertifiedSocket = socket;
    if (certified[CERTIFICATE]) return certified[CERTIFICATE];
    const x509 = socket.getPeerX509Certificate();
    if (!x509) return undefined;
    return (certified[CERTIFICATE] = new ConnectedCertificate(x509));
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
