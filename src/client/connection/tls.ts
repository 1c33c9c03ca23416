import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import type { ChannelCredentials, ClientOptions as ChannelOptions } from '@grpc/grpc-js';
import { credentials } from '@grpc/grpc-js';
import type { ClientOptions } from '../api.ts';
import type { DiagnosisTls } from './diagnosis.ts';

/** The credentials for plaintext or TLS, and the channel options that go with them. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** PEM texts as buffers; undefined for plaintext. Throws a TypeError for half a client certificate. */
export function pems(tls: ClientOptions['tls']): DiagnosisTls | undefined {
  if (tls === undefined) return undefined;
  const { ca, cert, key } = tls === true ? {} : tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError('tls.cert and tls.key go together: give both or neither');
  }
  return { ca: pem(ca), key: pem(key), cert: pem(cert) };
}

/** Plaintext or TLS to a host, which is undefined for a Unix socket. */
export function security(host: string | undefined, tls: DiagnosisTls | undefined): Security {
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  const { ca, key, cert } = tls;
  if (host === undefined || isIP(host) === 0) {
    return { credentials: credentials.createSsl(ca, key, cert), options: {} };
  }
  // grpc-js sends the host as the server name, for which TLS forbids IP addresses and Node.js throws. So it gets
  // another name to send, and the certificate is still checked against the address.
  const checksAddress = (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate);
  return {
    credentials: credentials.createSsl(ca, key, cert, { checkServerIdentity: checksAddress }),
    options: { 'grpc.ssl_target_name_override': 'localhost' },
  };
}

function pem(text: Uint8Array | string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
