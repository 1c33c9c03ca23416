import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import type { ChannelCredentials, ClientOptions as ChannelOptions, VerifyOptions } from '@grpc/grpc-js';
import { credentials } from '@grpc/grpc-js';
import type { ClientOptions } from '../api.ts';
import { messageOf } from '../../core/errors.ts';
import type { DiagnosisTls } from './diagnosis.ts';

/** The credentials for plaintext or TLS, and the channel options that go with them. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** PEM texts as buffers; undefined for plaintext. Throws a TypeError for half a client certificate. */
export function pems(tls: ClientOptions['tls']): DiagnosisTls | undefined {
  if (tls === undefined || tls === false) return undefined;
  const { ca, cert, key } = tls === true ? {} : tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError('tls.cert and tls.key go together: give both or neither');
  }
  return { ca: pem(ca), key: pem(key), cert: pem(cert) };
}

/** Plaintext or TLS to a host, which is undefined for a Unix socket. Throws a TypeError about PEM texts that are not valid. */
export function security(host: string | undefined, tls: DiagnosisTls | undefined): Security {
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  if (host === undefined || isIP(host) === 0) return { credentials: encrypted(tls), options: {} };
  // grpc-js sends the host as the server name, for which TLS forbids IP addresses and Node.js throws. So it gets
  // another name to send, and the certificate is still checked against the address.
  const checksAddress = (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate);
  return {
    credentials: encrypted(tls, { checkServerIdentity: checksAddress }),
    options: { 'grpc.ssl_target_name_override': 'localhost' },
  };
}

/**
 * Throws a TypeError that names the option: the library's own error does not, and the library accepts a `ca` that it
 * cannot read.
 */
function encrypted({ ca, key, cert }: DiagnosisTls, verify?: VerifyOptions): ChannelCredentials {
  if (ca) firstCertificate('tls.ca', ca);
  try {
    return credentials.createSsl(ca, key, cert, verify);
  } catch (cause) {
    throw new TypeError(
      `tls.cert and tls.key are not valid (${messageOf(cause)}): give a certificate and its own private key`,
      { cause },
    );
  }
}

function firstCertificate(name: string, text: Buffer): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new TypeError(`${name} is not valid (${messageOf(cause)}): it must be certificates in PEM`, { cause });
  }
}

function pem(text: Uint8Array | string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
