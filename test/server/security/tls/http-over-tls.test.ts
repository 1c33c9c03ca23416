import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { formatAddress } from '../../../../src/server/address.ts';
import { startHttpServer } from '../../../../src/server/http/http-server.ts';
import { Certificates } from '../../../../src/server/security/tls/certificates.ts';
import { listenerTls } from '../../../../src/server/security/tls/listener-tls.ts';
import { SIGNED } from '../../../support/network/certificates.ts';
import { shakeHands } from '../../../support/network/tls-client.ts';
import { HttpFixture } from '../../http/http-fixture.ts';
import { TlsFixture } from './tls-fixture.ts';

/** A connection of TLS on which anything can be sent, and what came back on it. */
async function connected(address: string) {
  const { socket } = await shakeHands(address, { ALPNProtocols: ['http/1.1'] }, 0);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk));
  return { socket, received: () => received };
}

async function ended({ socket }: { readonly socket: TLSSocket }): Promise<void> {
  if (!socket.destroyed) await once(socket, 'close');
}

it('what is no HTTP is refused in JSON over TLS, and ends that connection alone', async () => {
  const address = await new TlsFixture().address('http');
  const [bad, good] = [await connected(address), await connected(address)];
  bad.socket.write('garbage\r\n\r\n');
  await ended(bad);
  expect(bad.received()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*"reason":"BAD_REQUEST"/);
  good.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await vi.waitUntil(() => good.received().endsWith('{"status":"ok"}'));
});

it('P6: a stopping server answers a request on an open connection over TLS, and closes it with the answer', async () => {
  const { options } = await HttpFixture.open();
  const { certFile, keyFile } = SIGNED;
  const files = { cert: { flag: '', path: certFile }, key: { flag: '', path: keyFile }, clientCa: undefined };
  const observer = { reloadFailed() {}, handshakeFailed() {} };
  const certificates = await Certificates.open(files, options.logger, observer);
  onTestFinished(() => certificates.close());
  const tls = listenerTls('http', certificates, options.logger, observer);
  const server = await startHttpServer({ ...options, tls });
  onTestFinished(() => server.close(0));
  const open = await connected(formatAddress(server.address));
  server.stopAccepting();
  open.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await ended(open);
  expect(open.received()).toMatch(/^HTTP\/1\.1 200 [^]*connection: close\r\n[^]*"status":"ok"/i);
});
