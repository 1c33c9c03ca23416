import type { TLSSocket } from 'node:tls';

/** Why a TLS handshake failed: the values of a label of the metrics. */
export const HANDSHAKE_FAILURES = [
  'plaintext',
  'version',
  'cipher',
  'protocol',
  'client_certificate_missing',
  'client_certificate_refused',
  'server_certificate_refused',
  'timeout',
  'left',
  'too_many',
  'other',
] as const;

export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** The error codes of OpenSSL and Node.js. */
const CODES: Readonly<Record<string, HandshakeFailure>> = {
  ERR_SSL_HTTP_REQUEST: 'plaintext',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'plaintext',
  ERR_SSL_WRONG_VERSION_NUMBER: 'plaintext',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'version',
  ERR_SSL_VERSION_TOO_LOW: 'version',
  ERR_SSL_NO_SHARED_CIPHER: 'cipher',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'protocol',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'client_certificate_missing',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'timeout',
  ECONNRESET: 'left',
  EPIPE: 'left',
};
/** The alerts with which a client refuses the server's certificate. */
const OUR_CERTIFICATE_REFUSED = /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(UNKNOWN|EXPIRED))/;

/** Why a client certificate was not accepted, by the codes of OpenSSL's verification. */
const VERIFICATION: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed, and not in --tls-client-ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its CA is not in --tls-client-ca',
  UNABLE_TO_GET_ISSUER_CERT: 'its CA is not in --tls-client-ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its CA is not in --tls-client-ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its CA is not in --tls-client-ca',
  INVALID_PURPOSE: 'it is not for client authentication (extendedKeyUsage)',
};

/** A failed handshake, and what more is known about it. */
export interface FailedHandshake {
  readonly failure: HandshakeFailure;
  readonly detail?: string;
}

/** Why the server ended the handshake, or why the client did. */
export function failureOf(error: Error, { authorizationError }: TLSSocket): FailedHandshake {
  // Node.js then closes the connection without an alert, and its error says only that the connection was closed.
  if (authorizationError) return { failure: 'client_certificate_refused', detail: whyRefused(authorizationError) };
  const { code = '', reason } = error as { readonly code?: string; readonly reason?: string };
  const detail = reason ?? code;
  if (OUR_CERTIFICATE_REFUSED.test(code)) return { failure: 'server_certificate_refused', detail };
  const failure = CODES[code];
  return failure === undefined ? { failure: 'other', detail } : { failure };
}

/** The code of OpenSSL's verification in words. */
function whyRefused(authorizationError: unknown): string {
  const code = authorizationError instanceof Error ? authorizationError.message : String(authorizationError);
  return VERIFICATION[code] ?? code;
}

/** The log line of a failure: what happened at the port, and the remedy. The text is constant for each kind. */
export function sentenceFor(failure: HandshakeFailure, port: number, alpn: string): string {
  switch (failure) {
    case 'plaintext':
      return `a client sent plaintext to the TLS port ${port}: use TLS (--tls, https://)`;
    case 'version':
      return `a client of the TLS port ${port} does not support TLS 1.2 or newer: update it`;
    case 'cipher':
      return `a client of the TLS port ${port} offered no cipher that this server supports: update it`;
    case 'protocol':
      return `a client of the TLS port ${port} did not offer ${alpn} (ALPN), the only protocol that is served there`;
    case 'client_certificate_missing':
      return `a client of the TLS port ${port} sent no certificate, but --tls-client-ca requires one: give the client one`;
    case 'client_certificate_refused':
      return `a client of the TLS port ${port} sent a certificate that is not accepted`;
    case 'server_certificate_refused':
      return `a client of the TLS port ${port} does not accept the certificate of this server: give the client the CA (--tls-ca), and call the server by a name in the certificate`;
    case 'timeout':
      return `a client of the TLS port ${port} did not finish its TLS handshake in time`;
    case 'left':
      return `a client of the TLS port ${port} disconnected during its TLS handshake: if it is yours, its own log says why`;
    case 'too_many':
      return `the TLS port ${port} dropped a handshake, because too many were in progress`;
    case 'other':
      return `a TLS handshake at port ${port} failed`;
  }
}
