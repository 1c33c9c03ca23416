import { readFileSync } from 'node:fs';

/**
 * Certificates for tests only, good until 2126: Node.js makes none. Those that are their own roots were made one by one:
 * `openssl req -x509 -nodes -days 36500 -subj /CN=NAME -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
 * -addext subjectAltName=NAMES -keyout NAME.key -out NAME.crt`. Those that an authority has signed are made all at once,
 * with their authorities, by `certificates/create.sh`.
 */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Its own root, for 127.0.0.1 and localhost. */
export const SERVER_CERTIFICATE = certificate('server');
/** Its own root, for 127.0.0.1 and localhost, with an RSA key (`-newkey rsa:2048`). */
export const RSA_CERTIFICATE = certificate('rsa');
/** A client's own root, for 127.0.0.1. */
export const CLIENT_CERTIFICATE = certificate('client');
/** Its own root, for 127.0.0.2 and localhost. */
export const ELSEWHERE_CERTIFICATE = certificate('elsewhere');

/** Signs the certificates below, unless they say otherwise. */
export const AUTHORITY = certificate('authority');
export const OTHER_AUTHORITY = certificate('other-authority');
/** Has the name of {@link AUTHORITY}, and another key. */
export const NAMESAKE_AUTHORITY = certificate('namesake');

/** For 127.0.0.1 and localhost. */
export const SIGNED = certificate('signed');
/** For the same: the one that follows it. */
export const ROTATED = certificate('rotated');
/** For the same, by an authority between, whose certificate is in the file, too. */
export const CHAINED = certificate('chained');
/** For other.example.com alone. */
export const MISNAMED = certificate('misnamed');
/** Expired in 2021. */
export const EXPIRED = certificate('expired');
/** Valid from 2125 on. */
export const FUTURE = certificate('future');
/** The key of {@link SIGNED}, encrypted with the passphrase "secret". */
export const ENCRYPTED_KEY_FILE = pathOf('encrypted.key');

/** A client's, for URI:spiffe://example.com/checkout and DNS:checkout.example.com. */
export const CHECKOUT = certificate('checkout');
/** For the same names, expired in 2021. */
export const EXPIRED_CHECKOUT = certificate('expired-checkout');
/** For the same names, by the other authority. */
export const STRANGER = certificate('stranger');
/** For a URI with a comma in it, which looks like {@link CHECKOUT}'s second name behind another one. */
export const FORGED = certificate('forged');

function certificate(name: string): Certificate {
  const [certFile, keyFile] = [pathOf(`${name}.crt`), pathOf(`${name}.key`)];
  return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

function pathOf(file: string): string {
  return new URL(`certificates/${file}`, import.meta.url).pathname;
}
