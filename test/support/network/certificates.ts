import { readFileSync } from 'node:fs';

/**
 * Certificates that are their own roots, good until 2126, for tests only: Node.js makes none. One was made by
 * `openssl req -x509 -nodes -days 36500 -subj /CN=NAME -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
 * -addext subjectAltName=NAMES -keyout NAME.key -out NAME.crt`.
 */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** For 127.0.0.1 and localhost. */
export const SERVER_CERTIFICATE = certificate('server');
/** A client's own, for 127.0.0.1. */
export const CLIENT_CERTIFICATE = certificate('client');
/** For 127.0.0.2 and localhost. */
export const ELSEWHERE_CERTIFICATE = certificate('elsewhere');

function certificate(name: string): Certificate {
  const [certFile, keyFile] = ['crt', 'key'].map(
    (suffix) => new URL(`certificates/${name}.${suffix}`, import.meta.url).pathname,
  ) as [string, string];
  return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}
