import { isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import type { ChannelCredentials, ClientOptions as ChannelOptions } from '@grpc/grpc-js';
import { credentials } from '@grpc/grpc-js';
import type { ClientOptions } from './api.ts';

/** What TLS needs: credentials, and options of the channel. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** Plaintext or TLS, as the client's options say. Throws a TypeError for half a client certificate. */
export function security({ address, tls }: Pick<ClientOptions, 'address' | 'tls'>): Security {
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  const { ca, cert, key } = tls === true ? {} : tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError('tls.cert and tls.key go together, and one of them is missing');
  }
  const pems = [pem(ca), pem(key), pem(cert)] as const;
  const host = hostOf(address);
  if (isIP(host) === 0) return { credentials: credentials.createSsl(...pems), options: {} };
  // grpc-js sends the host as the server's name, where TLS forbids addresses and Node.js throws. It gets
  // another name to send, and the certificate is checked against the address all the same.
  const checksAddress = (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate);
  return {
    credentials: credentials.createSsl(...pems, { checkServerIdentity: checksAddress }),
    options: { 'grpc.ssl_target_name_override': 'localhost' },
  };
}

/** `10.0.0.1` of `ipv4:10.0.0.1:50051`, and `::1` of `[::1]:50051`. */
function hostOf(address: string): string {
  return address
    .replace(/^(dns|ipv4|ipv6):/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
}

function pem(text: Uint8Array | string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
