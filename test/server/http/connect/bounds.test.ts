import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished, vi } from 'vitest';
import { IncomingBodies } from '../../../../src/server/http/connect/incoming-bodies.ts';
import { UnsentAnswers } from '../../../../src/server/http/connect/unsent-answers.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { VERIFICATIONS } from '../../../../src/server/limits.ts';
import { PATIENT } from './connect-client.ts';
import { HttpFixture } from '../http-fixture.ts';
import type { ConnectJson } from './connect-client.ts';
import { callConnect, reasonOf, SERVICE_PATH, streamConnect } from './connect-client.ts';

const KIB = 1024;

it('a message has 64 KiB at most, a batch 256 KiB, and no more is read into memory', async () => {
  const fixture = await HttpFixture.open();
  const sizes = [
    ['AllocateOrder', '"storeId":7', 64 * KIB],
    ['BatchAllocateOrders', '"requests":[{"storeId":7,"count":1}]', 256 * KIB],
  ] as const;
  for (const [method, rest, most] of sizes) {
    expect(await callConnect(fixture, method, filled(most, rest))).toMatchObject({ status: 200 });
    const { status, json } = await callConnect(fixture, method, filled(most + 1, rest));
    expect([status, reasonOf(json), json.message]).toEqual([
      400,
      'REQUEST_TOO_LARGE',
      `a request of ${most + 1} bytes is too large: the limit is ${most} bytes`,
    ]);
  }
  expect(fixture.disk.rows).toHaveLength(2);
});

it('a compressed message is refused, however small: nothing is decompressed', async () => {
  const fixture = await HttpFixture.open();
  const bomb = gzipSync(Buffer.alloc(50 * KIB * KIB, ' '));
  const answer = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, {
    method: 'POST',
    body: bomb,
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  });
  expect(bomb.length).toBeLessThan(64 * KIB);
  expect(answer).toMatchObject({ code: 501, body: expect.stringContaining('unknown compression') });
});

it('a caller has as many streams as over gRPC, and one more when the client of one disconnects', async () => {
  const fixture = await HttpFixture.open();
  const release = Promise.withResolvers<void>();
  onTestFinished(() => release.resolve());
  vi.spyOn(fixture.ledger.reads, 'verify').mockImplementation(async function* (): AsyncGenerator<VerifyEvent> {
    yield { kind: 'progress', rowsRead: 0n, orderId: 0n, endOrderId: 0n };
    await release.promise;
  });
  const clients = Array.from({ length: VERIFICATIONS.inAll }, () => new AbortController());
  for (const { signal } of clients) {
    const { messages } = await streamConnect(fixture, 'VerifyLedger', {}, {}, signal);
    expect((await messages.next()).value).toMatchObject({ progress: {} });
  }
  const first = async () => (await (await streamConnect(fixture, 'VerifyLedger', {})).messages.next()).value!;
  const { error } = (await first())['end'] as { error: ConnectJson };
  expect([error.code, reasonOf(error)]).toEqual(['resource_exhausted', 'QUEUE_FULL']);
  clients[0]!.abort();
  await vi.waitUntil(() => fixture.ended.some(([, , result]) => result === 'CANCELLED'), PATIENT);
  release.resolve();
  await vi.waitUntil(async () => 'progress' in (await first()), PATIENT);
});

it('incomplete bodies are bounded in total, and the oldest is dropped', async () => {
  const bodies = new IncomingBodies(100 * KIB);
  const ends: string[] = [];
  const port = await serve((request, response) => {
    const end = (what: string) => (ends.push(`${request.url} ${what}`), response.end());
    bodies.read(request, 64 * KIB).then(
      (body) => end(`${body.length}`),
      (error: { readonly reason: string }) => end(error.reason),
    );
  });
  const begin = async (path: string, bytes: number) => {
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${60 * KIB}\r\n\r\n`);
    socket.write(Buffer.alloc(bytes));
    return socket;
  };
  await begin('/first', 50 * KIB);
  await begin('/second', 50 * KIB);
  // Whichever came first.
  const third = await begin('/third', 10 * KIB);
  await vi.waitUntil(() => ends.length === 1, PATIENT);
  expect(ends[0]).toMatch(/ QUEUE_FULL$/);
  third.destroy();
  await vi.waitUntil(() => ends.includes('/third CANCELLED'), PATIENT);
});

it('a connection whose client reads none of its answers is cut', async () => {
  const unsent = new UnsentAnswers({ perConnection: 8 * KIB * KIB, inAll: 64 * KIB * KIB });
  const sockets: Socket[] = [];
  const port = await serve((request, response) => {
    sockets.push(request.socket);
    unsent.watch(response);
    response.end(Buffer.alloc(KIB * KIB));
  });
  const deaf = connect(port, '127.0.0.1').pause();
  onTestFinished(() => void deaf.destroy());
  deaf.on('error', () => {});
  deaf.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100));
  await vi.waitUntil(() => sockets[0]?.destroyed, PATIENT);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect((await answer.arrayBuffer()).byteLength).toBe(KIB * KIB);
});

/** A JSON object of so many bytes. */
function filled(bytes: number, rest: string): string {
  return `{${' '.repeat(bytes - 2 - rest.length)}${rest}}`;
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
