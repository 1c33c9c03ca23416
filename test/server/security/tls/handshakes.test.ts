import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { MAX_HANDSHAKES } from '../../../../src/server/limits.ts';
import { OTHER_AUTHORITY } from '../../../support/network/certificates.ts';
import { shakeHands } from '../../../support/network/tls-client.ts';
import { TlsFixture } from './tls-fixture.ts';

const FAILURES = 'order_numbers_tls_handshake_failures_total';
/** The beginning of a ClientHello: the server waits for the rest. */
const BEGINNING = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]);

/** Connections that begin a handshake and never go on. */
async function stalled(address: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(`http://${address}`);
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname));
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
  await stalled(address, MAX_HANDSHAKES - 1);
  const started = performance.now();
  expect(await shakeHands(address, tls, 0)).toMatchObject({ protocol: 'TLSv1.3' });
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(await fixture.metric(FAILURES)).toEqual({});
});

it('beyond the bound a new handshake is dropped, until those under way stall and make room, the oldest first', async () => {
  const fixture = new TlsFixture();
  const address = await fixture.address('grpc');
  const [oldest, ...others] = await stalled(address, MAX_HANDSHAKES);
  // None of them is a second old, if the machine is fast enough.
  await stalled(address, 3);
  await vi.waitUntil(async () => (await fixture.metric(FAILURES))['too_many'] === 3);
  await vi.waitUntil(async () => (await shakeHands(address, {}, 0)).protocol === 'TLSv1.3', { timeout: 10_000 });
  await vi.waitUntil(() => oldest!.destroyed);
  expect(others.filter(({ destroyed }) => destroyed).length).toBeLessThan(10);
  await fixture.server.line(/dropped a handshake, because too many were in progress/);
});

it('a handshake that takes too long is ended', async () => {
  const fixture = new TlsFixture();
  const [grpc] = await stalled(await fixture.address('grpc'), 1);
  const [http] = await stalled(await fixture.address('http'), 1);
  const started = performance.now();
  await Promise.all([once(grpc!, 'close'), once(http!, 'close')]);
  expect(performance.now() - started).toBeGreaterThan(9_000);
  await fixture.server.line(/did not finish its TLS handshake in time/);
  expect(await fixture.metric(FAILURES)).toEqual({ timeout: 2 });
});

it('those under way do not delay a stop', async () => {
  const fixture = new TlsFixture({ args: ['--metrics-secure'] });
  for (const listener of ['grpc', 'http', 'metrics'] as const) await stalled(await fixture.address(listener), 3);
  const started = performance.now();
  expect(await fixture.server.stop()).toBe(0);
  expect(performance.now() - started).toBeLessThan(900);
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
  const started = performance.now();
  expect(await fixture.server.stop()).toBe(0);
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(statuses).toContain('NOT_SERVING');
  await vi.waitUntil(() => idle.socket.destroyed);
});
