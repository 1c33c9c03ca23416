import type { KeyObject, X509Certificate } from 'node:crypto';
import { constants, createPrivateKey } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../../../core/errors.ts';
import type { NamedFile, PemBlock } from './pem-file.ts';
import { blocksIn, certificatesIn, FileRefused, kindsOf, readText } from './pem-file.ts';

/** The files of a server's TLS, by the flags that name them. */
export interface TlsFiles {
  readonly cert: NamedFile;
  readonly key: NamedFile;
  /** The CAs of client certificates, if clients need one. */
  readonly clientCa: NamedFile | undefined;
}

/** The texts of the files. */
export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}

/** What a server presents and accepts: the files, parsed and checked. */
export interface TlsIdentity {
  /** The server's own certificate, then those that lead from it to a CA. */
  readonly chain: readonly [X509Certificate, ...X509Certificate[]];
  readonly clientAuthorities: readonly X509Certificate[];
  /** Certificates, key and CAs in PEM. */
  readonly pem: { readonly cert: string; readonly key: string; readonly ca: string | undefined };
}

/** Those of TLS 1.3, and those of 1.2 that stay secret if the key is stolen later. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE+AESGCM',
  'ECDHE+CHACHA20',
].join(':');
const PRIVATE_KEY = /PRIVATE KEY$/;

/**
 * The options of all listeners: TLS 1.2 and 1.3, without renegotiation. With client CAs, no session is resumed: OpenSSL
 * looks at no certificate then, not even at its dates.
 */
export function contextOptions({ pem: { cert, key, ca } }: TlsIdentity): SecureContextOptions {
  const { SSL_OP_NO_RENEGOTIATION: once, SSL_OP_NO_TICKET: whole } = constants;
  const common = { cert, key, minVersion: 'TLSv1.2', ciphers: CIPHERS } as const;
  // Node.js keeps no sessions itself, so without tickets there are none.
  return ca === undefined ? { ...common, secureOptions: once } : { ...common, ca, secureOptions: once | whole };
}

/** Rejects with {@link FileRefused}: one line with a flag, its file and the remedy. */
export async function readTlsFiles({ cert, key, clientCa }: TlsFiles): Promise<TlsTexts> {
  return { cert: await readText(cert), key: await readText(key), clientCa: clientCa && (await readText(clientCa)) };
}

/** Parses and checks the files. Throws {@link FileRefused}. */
export function identityIn({ cert, key, clientCa }: TlsFiles, texts: TlsTexts): TlsIdentity {
  const [own, ...others] = certificatesIn(cert, blocksIn(cert, texts.cert));
  const chain = [own!, ...others] as const;
  const keyText = privateKeyIn(key, blocksIn(key, texts.key));
  requirePair(chain, cert, keyText, key);
  const clientAuthorities = clientCa ? certificatesIn(clientCa, blocksIn(clientCa, texts.clientCa ?? '')) : [];
  const identity = {
    chain,
    clientAuthorities,
    pem: { cert: pemOf(chain), key: keyText, ca: clientCa && pemOf(clientAuthorities) },
  };
  requireUsable(identity, cert);
  return identity;
}

function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(String).join('');
}

/** The text of the private key. Throws {@link FileRefused} if there is none, or it is encrypted. */
function privateKeyIn(file: NamedFile, blocks: readonly PemBlock[]): string {
  const found = blocks.find(({ label }) => PRIVATE_KEY.test(label));
  if (!found) throw new FileRefused(file, `has no private key (-----BEGIN PRIVATE KEY-----), only ${kindsOf(blocks)}`);
  if (found.label === 'ENCRYPTED PRIVATE KEY' || found.text.includes('\nProc-Type: 4,ENCRYPTED')) {
    throw new FileRefused(
      file,
      `is encrypted, but the server cannot ask for a passphrase; decrypt it, and use the decrypted file: openssl pkey -in ${file.path} -out ${file.path}.plain`,
    );
  }
  return found.text;
}

function requirePair(
  chain: readonly X509Certificate[],
  certFile: NamedFile,
  keyText: string,
  keyFile: NamedFile,
): void {
  let key: KeyObject;
  try {
    key = createPrivateKey(keyText);
  } catch (cause) {
    throw new FileRefused(keyFile, 'has a damaged private key; replace it', { cause });
  }
  const owner = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
  if (owner === 0) return;
  if (owner > 0) {
    throw new FileRefused(
      certFile,
      `does not begin with the server's own certificate: put number ${owner + 1}, which matches the key, first`,
    );
  }
  throw new FileRefused(
    keyFile,
    `does not match the certificate in ${certFile.path}: use the key that belongs to that certificate`,
  );
}

/** OpenSSL has rules of its own, such as a minimum key size. */
function requireUsable(identity: TlsIdentity, certFile: NamedFile): void {
  try {
    createSecureContext(contextOptions(identity));
  } catch (cause) {
    const why = cause instanceof Error && 'reason' in cause ? String(cause.reason) : messageOf(cause);
    throw new FileRefused(certFile, `cannot be used (OpenSSL: ${why}); use another certificate`, { cause });
  }
}
