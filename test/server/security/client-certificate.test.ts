import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { clientCertificateOf, ConnectedCertificate } from '../../../src/server/security/client-certificate.ts';
import type { Certificate } from '../../support/network/certificates.ts';
import {
  AUTHORITY,
  CHECKOUT,
  EXPIRED_CHECKOUT,
  FORGED,
  NAMESAKE_AUTHORITY,
  SIGNED,
  STRANGER,
} from '../../support/network/certificates.ts';

/** The server's side of a connection of TLS. */
async function accepted(certificate?: Certificate): Promise<Socket> {
  const { cert, key } = SIGNED;
  const server = createTlsServer({ cert, key, ca: AUTHORITY.cert, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const own = certificate && { cert: certificate.cert, key: certificate.key };
  const client = connectTls({ port, host: '127.0.0.1', ca: AUTHORITY.cert, ...own });
  const [socket] = (await once(server, 'secureConnection')) as [Socket];
  onTestFinished(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return socket;
}

it('has the names in their order, and the hash of the certificate', async () => {
  const { fingerprint256 } = new X509Certificate(CHECKOUT.cert);
  expect(clientCertificateOf(await accepted(CHECKOUT))).toMatchObject({
    names: ['URI:spiffe://example.com/checkout', 'DNS:checkout.example.com'],
    sha256: fingerprint256.replaceAll(':', '').toLowerCase(),
  });
});

it('has only names of the kinds URI and DNS', async () => {
  // Signed for an address and a name.
  expect(clientCertificateOf(await accepted(SIGNED))?.names).toEqual(['DNS:localhost']);
});

it('has one name that looks like two as one', async () => {
  expect(clientCertificateOf(await accepted(FORGED))?.names).toEqual([
    'URI:spiffe://example.com/a, DNS:checkout.example.com',
    'DNS:forged.example.com',
  ]);
});

it('is asked for once per connection, and known after its end', async () => {
  const socket = await accepted(CHECKOUT);
  const certificate = clientCertificateOf(socket);
  expect(clientCertificateOf(socket)).toBe(certificate);
  socket.destroy();
  await once(socket, 'close');
  expect(clientCertificateOf(socket)).toBe(certificate);
});

it.each([
  ['none', undefined],
  ['one of another authority', STRANGER],
  ['an expired one', EXPIRED_CHECKOUT],
] as const)('is undefined if the client showed %s', async (_what, certificate) => {
  expect(clientCertificateOf(await accepted(certificate))).toBeUndefined();
});

it('ends with the authority that has signed it, also if another one of that name takes its place', () => {
  const certificate = new ConnectedCertificate(new X509Certificate(CHECKOUT.cert));
  const [authority, namesake] = [AUTHORITY, NAMESAKE_AUTHORITY].map(({ cert }) => new X509Certificate(cert));
  certificate.endUnlessSignedBy([namesake!, authority!]);
  expect(certificate.ended.aborted).toBe(false);
  certificate.endUnlessSignedBy([namesake!]);
  expect(certificate.ended.aborted).toBe(true);
});

it('is undefined without TLS', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  expect(clientCertificateOf(socket)).toBeUndefined();
});
