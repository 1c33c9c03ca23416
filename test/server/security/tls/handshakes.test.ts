import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { MAX_HANDSHAKES, STALLED_HANDSHAKE_MS } from '../../../../src/server/limits.ts';
import { OTHER_AUTHORITY } from '../../../support/network/certificates.ts';
import { shakeHands } from '../../../support/network/tls-client.ts';
import { until } from '../../../support/until.ts';
import { TlsFixture } from './tls-fixture.ts';

const FAILURES = 'order_numbers_tls_handshake_failures_total';
/** The beginning of a ClientHello: the server waits for the rest. */
const BEGINNING = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]);

afterEach(() => void vi.useRealTimers());

/** Connections that begin a handshake and never go on. */
async function stalled(address: string, count: number, localAddress = '127.0.0.1'): Promise<Socket[]> {
  const { hostname: host, port } = new URL(`http://${address}`);
  const sockets = Array.from({ length: count }, () => connect({ port: Number(port), host, localAddress }));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  for (const socket of sockets) socket.on('error', () => {}).resume();
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) socket.write(BEGINNING);
  return sockets;
}

it.each(['grpc', 'http'] as const)('many stalled handshakes of %s keep no good client waiting', async (listener) => {
  const fixture = new TlsFixture();
  const address = await fixture.address(listener);
  const tls = listener === 'grpc' ? {} : { ALPNProtocols: ['http/1.1'] };
  const others = await stalled(address, MAX_HANDSHAKES - 1);
  expect(await shakeHands(address, tls, 0)).toMatchObject({ protocol: 'TLSv1.3' });
  expect(others.filter(({ destroyed }) => destroyed)).toEqual([]);
  expect(await fixture.metric(FAILURES)).toEqual({});
});

/** Resolves when so many handshakes were dropped. vi.waitUntil would move a clock that stands still. */
async function dropped(fixture: TlsFixture, count: number | undefined): Promise<void> {
  await until(`${count} are dropped`, async () => (await fixture.metric(FAILURES))['too_many'] === count);
}

it('beyond the bound a new handshake is dropped, until those under way stall and make room, the oldest first', async () => {
  // No handshake stalls as long as this clock stands still.
  vi.useFakeTimers({ toFake: ['performance'] });
  const fixture = new TlsFixture();
  const address = await fixture.address('grpc');
  const [oldest, ...others] = await stalled(address, MAX_HANDSHAKES);
  await stalled(address, 3);
  await dropped(fixture, 3);
  vi.advanceTimersByTime(STALLED_HANDSHAKE_MS);
  expect(await shakeHands(address, {}, 0)).toMatchObject({ protocol: 'TLSv1.3' });
  await until('they are ended', () => oldest!.destroyed);
  expect(others.filter(({ destroyed }) => destroyed)).toEqual([]);
  expect(await fixture.metric(FAILURES)).toEqual({ too_many: 4 });
  await fixture.server.line(/dropped a handshake, because too many were in progress/);
});

it('a network with more than half of the handshakes makes room for others at once, and gets no more of them', async () => {
  // No handshake stalls as long as this clock stands still.
  vi.useFakeTimers({ toFake: ['performance'] });
  const fixture = new TlsFixture();
  const address = await fixture.address('grpc');
  await stalled(address, 100, '127.0.0.3');
  const flood = await stalled(address, MAX_HANDSHAKES - 100, '127.0.0.2');
  await dropped(fixture, undefined);
  const good = await stalled(address, 10);
  await dropped(fixture, 10);
  const more = await stalled(address, 50, '127.0.0.2');
  await dropped(fixture, 60);
  expect(await shakeHands(address, {}, 0)).toMatchObject({ protocol: 'TLSv1.3' });
  await until('they are ended', () => more.every(({ destroyed }) => destroyed));
  expect(good.filter(({ destroyed }) => destroyed)).toEqual([]);
  await until('they are ended', () => flood.filter(({ destroyed }) => destroyed).length === 11);
});

it('a Node.js that keeps the accepted socket elsewhere is refused at the start', async () => {
  Object.defineProperty(TLSSocket.prototype, '_parent', { get: () => undefined, set: () => {}, configurable: true });
  try {
    const { server } = new TlsFixture();
    expect(await server.exit()).toBe(1);
    expect(server.said()).toMatch(/this version of Node\.js keeps the socket/);
  } finally {
    Reflect.deleteProperty(TLSSocket.prototype, '_parent');
  }
});

it('a handshake that takes too long is ended, and a request after it is cut off with 408', async () => {
  const fixture = new TlsFixture();
  // At the same time, because each takes ten seconds.
  const started = performance.now();
  const { socket: slow } = await shakeHands(await fixture.address('http'), { ALPNProtocols: ['http/1.1'] }, 0);
  let answer = '';
  slow.on('data', (chunk: Buffer) => (answer += chunk));
  slow.write('POST /api/generateOrderNumber HTTP/1.1\r\nHost: localhost\r\n');
  const [grpc] = await stalled(await fixture.address('grpc'), 1);
  const [http] = await stalled(await fixture.address('http'), 1);
  await Promise.all([grpc!, http!, slow].map((socket) => once(socket, 'close')));
  expect(performance.now() - started).toBeGreaterThan(9_000);
  await fixture.server.line(/did not finish its TLS handshake in time/);
  expect(await fixture.metric(FAILURES)).toEqual({ timeout: 2 });
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
});

it('those under way do not delay a stop', async () => {
  const fixture = new TlsFixture({ args: ['--metrics-secure'] });
  for (const listener of ['grpc', 'http', 'metrics'] as const) await stalled(await fixture.address(listener), 3);
  const started = performance.now();
  expect(await fixture.server.stop()).toBe(0);
  // The handshakes themselves have ten seconds.
  expect(performance.now() - started).toBeLessThan(8_000);
});

it('a client that leaves because it does not trust the server is told of; a probe of the port is not', async () => {
  const fixture = new TlsFixture();
  const address = await fixture.address('grpc');
  const { hostname, port } = new URL(`http://${address}`);
  const probe = connect(Number(port), hostname);
  await once(probe, 'connect');
  probe.end();
  await once(probe.resume(), 'close');
  expect(await shakeHands(address, { ca: OTHER_AUTHORITY.cert })).toMatchObject({ protocol: undefined });
  await fixture.server.line(/disconnected during its TLS handshake/);
  expect(await fixture.metric(FAILURES)).toEqual({ left: 1 });
});

it('open connections of TLS do not delay a stop for longer than those without', async () => {
  const fixture = new TlsFixture();
  const client = await fixture.client();
  const statuses: string[] = [];
  client.watchHealth((status) => statuses.push(status));
  await vi.waitUntil(() => statuses.at(-1) === 'SERVING');
  const idle = await shakeHands(await fixture.address('http'), { ALPNProtocols: [] }, 0);
  expect(await fixture.server.stop()).toBe(0);
  expect(statuses).toContain('NOT_SERVING');
  await vi.waitUntil(() => idle.socket.destroyed);
});
