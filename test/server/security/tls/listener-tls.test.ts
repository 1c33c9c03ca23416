import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect as connectSocket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createServer } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkTls } from '../../../../src/cli/check/check-tls.ts';
import { createLogTo } from '../../../../src/server/log/log.ts';
import { Certificates } from '../../../../src/server/security/tls/certificates.ts';
import { listenerTls } from '../../../../src/server/security/tls/listener-tls.ts';
import { failureOf } from '../../../support/clients/orders-client.ts';
import {
  AUTHORITY,
  CHAINED,
  CHECKOUT,
  EXPIRED,
  EXPIRED_CHECKOUT,
  FUTURE,
  MISNAMED,
  OTHER_AUTHORITY,
  RSA_CERTIFICATE,
  SIGNED,
  STRANGER,
} from '../../../support/network/certificates.ts';
import { askSecurely, shakeHands } from '../../../support/network/tls-client.ts';
import { TlsFixture } from './tls-fixture.ts';

const ORDER = { path: '/api/generateOrderNumber', body: '{"store_id": 7}' };
const LISTENERS = ['grpc', 'http'] as const;

describe('a server with TLS', () => {
  it('serves gRPC and HTTP to clients that know its authority, by name or address, also through a chain', async () => {
    const fixture = new TlsFixture({ certificate: CHAINED });
    const client = await fixture.client();
    expect((await client.allocateOrder({ storeId: 7n, requestId: '' })).allocation).toMatchObject({ orderId: 1n });
    expect(await client.checkHealth()).toBe('SERVING');
    const http = await fixture.address('http');
    for (const address of [http, http.replace('127.0.0.1', 'localhost')]) {
      expect(await askSecurely(address, '/healthz')).toMatchObject({ code: 200, body: '{"status":"ok"}' });
    }
    const { body } = await askSecurely(http, ORDER.path, ORDER);
    expect(body).toBe('{"OrderID":2,"OrderNumber":101,"StoreID":7}');
  });

  it('speaks TLS 1.2 and 1.3 and nothing older', async () => {
    const fixture = new TlsFixture();
    for (const listener of LISTENERS) {
      const address = await fixture.address(listener);
      const tls = listener === 'grpc' ? {} : { ALPNProtocols: ['http/1.1'] };
      expect(await shakeHands(address, tls)).toMatchObject({ protocol: 'TLSv1.3', end: undefined });
      const older = await shakeHands(address, { ...tls, maxVersion: 'TLSv1.2' });
      expect(older).toMatchObject({ protocol: 'TLSv1.2', end: undefined });
      // OpenSSL 3 refuses these by itself at its default security level: minVersion counts where a system lowers that.
      const ciphers = 'DEFAULT@SECLEVEL=0';
      const oldest = await shakeHands(address, { ...tls, ciphers, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
      expect(oldest).toMatchObject({ protocol: undefined, end: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
      await fixture.server.line(/does not support TLS 1\.2 or newer/);
    }
    expect(await fixture.metric('order_numbers_tls_handshake_failures_total')).toMatchObject({ version: 2 });
  });

  it.each([
    ['the ciphers of TLS 1.2 with ECDHE', 'ECDHE+AESGCM:ECDHE+CHACHA20', 'TLSv1.2'],
    ['none without forward secrecy', 'AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA', undefined],
  ])('with an RSA key it has %s', async (_what, ciphers, protocol) => {
    const fixture = new TlsFixture({ certificate: RSA_CERTIFICATE });
    const address = await fixture.address('grpc');
    const tls = { ca: RSA_CERTIFICATE.cert, maxVersion: 'TLSv1.2', ciphers } as const;
    expect(await shakeHands(address, tls, 0)).toMatchObject({ protocol });
  });

  it('makes one handshake per connection: a client that asks for another one in TLS 1.2 is refused', async () => {
    const address = await new TlsFixture().address('http');
    const { socket } = await shakeHands(address, { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' }, 0);
    const refused = Promise.withResolvers<Error | null>();
    socket.on('error', refused.resolve);
    socket.renegotiate({}, refused.resolve);
    expect(await refused.promise).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' });
  });

  it.each([
    ['of another authority', { ca: OTHER_AUTHORITY.cert }, undefined, /unable to verify the first certificate/],
    ['for another host', {}, MISNAMED, /does not match certificate's altnames/],
    ['that has expired', {}, EXPIRED, /certificate has expired/],
    ['that is not valid yet', {}, FUTURE, /certificate is not yet valid/],
  ] as const)(
    'a certificate %s is refused by the client, and the server goes on',
    async (_what, tls, certificate, says) => {
      const fixture = new TlsFixture(certificate ? { certificate } : {});
      const client = await fixture.client(tls);
      const failure = await failureOf(client.allocateOrder({ storeId: 7n, requestId: '' }, { deadlineMs: 2_000 }));
      expect(failure.message).toMatch(/UNAVAILABLE|DEADLINE_EXCEEDED/);
      await expect(askSecurely(await fixture.address('http'), '/healthz', { tls })).rejects.toThrow(says);
      const trusting = await shakeHands(await fixture.address('grpc'), { rejectUnauthorized: false });
      expect(trusting).toMatchObject({ alpn: 'h2', end: undefined });
    },
  );

  it('starts with a certificate that is not valid now, and says so', async () => {
    const expired = new TlsFixture({ certificate: EXPIRED });
    const line = await expired.server.line(/has a certificate that expired on 2021-01-01: clients refuse it/);
    expect(line).toMatchObject({ level: 40, msg: expect.stringContaining(`--tls-cert: ${expired.certFile}`) });
    const future = new TlsFixture({ certificate: FUTURE });
    expect((await future.server.line(/not valid before 2125-01-01/)).level).toBe(40);
    expect(await expired.metric('order_numbers_tls_certificate_expiry_timestamp_seconds')).toEqual({
      '': Date.UTC(2021, 0) / 1000,
    });
  });

  it('starts with a certificate that has no subjectAltName, and warns as a check does', async () => {
    const fixture = new TlsFixture({ certificate: AUTHORITY });
    const line = await fixture.server.line(/has no subjectAltName, so clients refuse it/);
    expect(line).toMatchObject({ level: 40, msg: expect.stringContaining(`--tls-cert: ${fixture.certFile}`) });
    const [text] = (await checkTls({ tlsCert: fixture.certFile, tlsKey: fixture.keyFile, tlsClientCa: 'off' }))
      .filter(({ kind }) => kind === 'problem')
      .map((finding) => `${finding.flag}: ${finding.text}`);
    expect(line.msg).toBe(text);
  });

  it('serves the metrics in plaintext, or with the same TLS if asked to', async () => {
    const plain = new TlsFixture();
    expect((await fetch(`http://${await plain.address('metrics')}/metrics`)).status).toBe(200);
    const secure = await new TlsFixture({ args: ['--metrics-secure'] }).address('metrics');
    expect(await askSecurely(secure, '/metrics')).toMatchObject({ code: 200, body: expect.stringContaining('# HELP') });
    await expect(fetch(`http://${secure}/metrics`)).rejects.toThrow('fetch failed');
  });
});

describe('ALPN', () => {
  it('gRPC needs h2: a client that offers none, or another protocol, is ended and told of in the log', async () => {
    const fixture = new TlsFixture();
    const address = await fixture.address('grpc');
    expect(await shakeHands(address, { ALPNProtocols: [] })).toMatchObject({ alpn: false, end: 'closed' });
    await fixture.server.line(/did not offer h2 \(ALPN\)/);
    const other = await shakeHands(address, { ALPNProtocols: ['http/1.1'] });
    expect(other.end).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
    expect(await fixture.metric('order_numbers_tls_handshake_failures_total')).toEqual({ protocol: 2 });
  });

  it('HTTP takes http/1.1, chosen or not', async () => {
    const fixture = new TlsFixture();
    const address = await fixture.address('http');
    expect(await shakeHands(address, { ALPNProtocols: [] })).toMatchObject({ alpn: false, end: undefined });
    const both = await shakeHands(address, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(both).toMatchObject({ alpn: 'http/1.1', end: undefined });
  });
});

describe('a plaintext client at a TLS port', () => {
  it.each([
    ['grpc', 'gRPC', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1')],
    ['grpc', 'HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['http', 'HTTP', `POST ${ORDER.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n${ORDER.body}`],
    ['http', 'garbage', Buffer.alloc(1000, 0xaa)],
  ] as const)('is ended at the port of %s: %s', async (listener, _what, bytes) => {
    const fixture = new TlsFixture();
    const address = await fixture.address(listener);
    const { hostname, port } = new URL(`http://${address}`);
    const socket = connectSocket(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    // A reset is a clean end, too.
    socket.on('error', () => {});
    socket.resume().write(bytes);
    await once(socket, 'close');
    const line = await fixture.server.line(/plaintext/);
    expect(line).toMatchObject({ level: 30, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(line.msg).toBe(`a client sent plaintext to the TLS port ${port}: use TLS (--tls, https://)`);
    expect(await fixture.metric('order_numbers_tls_handshake_failures_total')).toEqual({ plaintext: 1 });
    expect(fixture.server.log.filter(({ level }) => level >= 50)).toEqual([]);
  });

  it('gets a line, and many get one per second with the number of the others', async () => {
    const fixture = new TlsFixture();
    const { hostname, port } = new URL(`http://${await fixture.address('grpc')}`);
    for (let i = 0; i < 20; i++) {
      const socket = connectSocket(Number(port), hostname);
      socket.on('error', () => {});
      socket.write('GET / HTTP/1.1\r\n\r\n');
      await once(socket.resume(), 'close');
    }
    await vi.waitUntil(() => fixture.lines().some((line) => line['suppressed'] === 18));
    expect(fixture.lines().filter(({ msg }) => msg.includes('plaintext'))).toHaveLength(2);
  });
});

describe('client certificates', () => {
  it('gRPC serves a client whose certificate the authority has signed', async () => {
    const client = await new TlsFixture({ mutual: true }).client(CHECKOUT);
    expect((await client.allocateOrder({ storeId: 7n, requestId: '' })).allocation).toMatchObject({ orderId: 1n });
  });

  it.each([
    ['no certificate', {}, 'client_certificate_missing', /sent no certificate/],
    [
      'a certificate of another authority',
      STRANGER,
      'client_certificate_refused',
      /sent a certificate that is not accepted/,
    ],
    [
      'an expired certificate',
      EXPIRED_CHECKOUT,
      'client_certificate_refused',
      /sent a certificate that is not accepted/,
    ],
  ] as const)('gRPC refuses %s in the handshake', async (_what, tls, reason, says) => {
    const fixture = new TlsFixture({ mutual: true });
    const client = await fixture.client(tls);
    const failure = await failureOf(client.allocateOrder({ storeId: 7n, requestId: '' }, { deadlineMs: 1_000 }));
    expect(failure.message).toMatch(/UNAVAILABLE|DEADLINE_EXCEEDED/);
    const line = await fixture.server.line(says);
    const why = reason === 'client_certificate_refused' ? /it has expired|its CA is not in --tls-client-ca/ : /^$/;
    expect(String(line['why'] ?? '')).toMatch(why);
    expect(Object.keys(await fixture.metric('order_numbers_tls_handshake_failures_total'))).toEqual([reason]);
    // Before TLS 1.3 the client learns of it within its own handshake.
    const old = await shakeHands(await fixture.address('grpc'), { ...tls, maxVersion: 'TLSv1.2' });
    expect(old.end).toBeDefined();
  });

  it.each([
    ['no certificate', {}],
    ['a certificate of another authority', STRANGER],
    ['an expired certificate', EXPIRED_CHECKOUT],
  ] as const)(
    'HTTP answers probes with %s, and 401 to calls',
    async (_what, { cert, key }: { cert?: Buffer; key?: Buffer }) => {
      const fixture = new TlsFixture({ mutual: true });
      const address = await fixture.address('http');
      const tls = { cert, key };
      for (const path of ['/healthz', '/readyz']) {
        expect(await askSecurely(address, path, { tls })).toMatchObject({ code: 200, body: '{"status":"ok"}' });
      }
      const { code, body } = await askSecurely(address, ORDER.path, { ...ORDER, tls });
      expect([code, JSON.parse(body)]).toMatchObject([401, { reason: 'TOKEN_INVALID' }]);
      const { cert: good, key: goodKey } = CHECKOUT;
      const order = await askSecurely(address, ORDER.path, { ...ORDER, tls: { cert: good, key: goodKey } });
      expect(order.body).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":7}');
    },
  );

  it('the probes of the metrics listener need none, whether it is secure or not', async () => {
    const secure = new TlsFixture({ mutual: true, args: ['--metrics-secure'] });
    const plain = new TlsFixture({ mutual: true });
    for (const path of ['/healthz', '/readyz']) {
      expect(await askSecurely(await secure.address('metrics'), path)).toMatchObject({
        code: 200,
        body: '{"status":"ok"}',
      });
      expect((await fetch(`http://${await plain.address('metrics')}${path}`)).status).toBe(200);
    }
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'no session of %s is resumed, so that a certificate is looked at on each connection',
    async (version) => {
      const fixture = new TlsFixture({ mutual: true });
      const addresses = { grpc: await fixture.address('grpc'), http: await fixture.address('http') };
      for (const [listener, alpn] of [
        ['grpc', 'h2'],
        ['http', 'http/1.1'],
      ] as const) {
        const options = { ...CHECKOUT, maxVersion: version, minVersion: version, ALPNProtocols: [alpn] };
        const { session } = await shakeHands(addresses[listener], options);
        // What a client keeps of a connection without a ticket, which TLS 1.3 names anyway.
        const again = await shakeHands(addresses[listener], { ...options, session }, 0);
        expect(again).toMatchObject({ protocol: version });
        expect(again.socket.isSessionReused()).toBe(false);
      }
    },
  );

  it('gRPC refuses a connection without one even if the handshake let it in', async () => {
    const files = {
      cert: { flag: '--tls-cert', path: SIGNED.certFile },
      key: { flag: '--tls-key', path: SIGNED.keyFile },
      clientCa: { flag: '--tls-client-ca', path: AUTHORITY.certFile },
    };
    const failures: string[] = [];
    const observer = { handshakeFailed: (why: string) => void failures.push(why), reloadFailed: () => {} };
    const log = createLogTo('info', () => {});
    const certificates = await Certificates.open(files, log.logger, observer);
    const { options, follow } = listenerTls('grpc', certificates, log.logger, observer);
    const server = createServer({ ...options, rejectUnauthorized: false });
    const followed = follow(server);
    onTestFinished(() => {
      server.close();
      certificates.close();
      log.end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const admits = async (tls: object) => {
      const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const { socket } = await shakeHands(`127.0.0.1:${(server.address() as AddressInfo).port}`, tls, 0);
      const isAdmitted = followed.admits((await accepted)[0]);
      socket.destroy();
      return isAdmitted;
    };
    expect(await admits(CHECKOUT)).toBe(true);
    for (const tls of [{}, STRANGER, EXPIRED_CHECKOUT]) expect(await admits(tls)).toBe(false);
    expect(failures).toEqual(Array(3).fill('client_certificate_missing'));
  });
});
