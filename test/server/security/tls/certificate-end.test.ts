import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createClient } from '../../../../src/client/index.ts';
import { newToken } from '../../../../src/server/security/token-text.ts';
import type { Certificate } from '../../../support/network/certificates.ts';
import { AUTHORITY, CHAINED, CHECKOUT, OTHER_AUTHORITY, STRANGER } from '../../../support/network/certificates.ts';
import { answerOf, encode, framed, HostileClient } from '../../../support/network/hostile-client.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../../support/security/tokens.ts';
import { putFile, TlsFixture } from './tls-fixture.ts';

const ORDER = encode({ storeId: 7n, requestId: '' });
const EXPIRED = 'the client certificate of URI:spiffe://example.com/checkout expired on 2126-01-01T00:00:00.000Z';
const FOREIGN = 'is of an authority that the server no longer accepts';

afterEach(() => void vi.useRealTimers());

/** Its clients may be of either authority. */
async function withBoth(): Promise<TlsFixture> {
  const fixture = new TlsFixture({ mutual: true });
  await fixture.server.serving();
  writeFileSync(fixture.clientCaFile, Buffer.concat([AUTHORITY.cert, OTHER_AUTHORITY.cert]));
  await fixture.server.line(/TLS files changed/);
  return fixture;
}

/** A connection of gRPC on which a call was answered. */
async function connected(fixture: TlsFixture, { cert, key }: Certificate): Promise<HostileClient> {
  const tls = { ca: AUTHORITY.cert, cert, key };
  const client = await HostileClient.connect(await fixture.address('grpc'), { tls });
  expect(await client.call(ORDER)).toMatchObject({ grpcStatus: status.OK });
  return client;
}

/** Calls over HTTP, all on one connection. */
async function keptAlive(fixture: TlsFixture, { cert, key }: Certificate) {
  const { hostname, port } = new URL(`http://${await fixture.address('http')}`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: AUTHORITY.cert, cert, key });
  onTestFinished(() => agent.destroy());
  const headers = { 'content-type': 'application/json' };
  return () =>
    new Promise<{ code: number | undefined; connection: string | undefined; isReused: boolean }>((resolve, reject) => {
      const options = { hostname, port, path: '/api/generateOrderNumber', method: 'POST', headers, agent };
      const asked = request(options, (answer: IncomingMessage) => {
        const { statusCode: code, headers: given } = answer;
        answer.resume().on('end', () => resolve({ code, connection: given.connection, isReused: asked.reusedSocket }));
      });
      asked.on('error', reject).end('{"store_id": 7}');
    });
}

/** Steps of a watch; the first one has arrived. */
async function watching(fixture: TlsFixture, { cert, key }: Certificate, token?: string) {
  const tls = { ca: AUTHORITY.cert, cert, key };
  const client = createClient({ address: await fixture.address('grpc'), tls, token });
  onTestFinished(() => client.close());
  const steps = client.watchAllocations();
  await steps.next();
  return steps;
}

describe('when a client certificate expires', () => {
  it('the next call on its open connection is refused, over gRPC and over HTTP', async () => {
    // Without the look at the clock, which ends the connection soon.
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    const fixture = new TlsFixture({ mutual: true });
    const client = await connected(fixture, CHECKOUT);
    const ask = await keptAlive(fixture, CHECKOUT);
    expect(await ask()).toMatchObject({ code: 200 });
    vi.setSystemTime('2125-12-31T23:59:59.999Z');
    expect(await client.call(ORDER)).toMatchObject({ grpcStatus: status.OK });
    expect(await ask()).toMatchObject({ code: 200, isReused: true });
    vi.setSystemTime('2126-01-01T00:00:00.000Z');
    expect(await client.call(ORDER)).toMatchObject({
      grpcStatus: status.UNAUTHENTICATED,
      grpcMessage: expect.stringContaining(EXPIRED),
    });
    expect(await ask()).toMatchObject({ code: 401, isReused: true });
  });

  it.each(['by itself', 'beside a token'] as const)('its watches and connections end: %s', async (how) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const tokens = join(testFolder(), 'tokens.json');
    const token = newToken();
    writeTokens(tokens, entryOf(token));
    const args = how === 'by itself' ? [] : ['--tokens', tokens];
    const fixture = new TlsFixture({ mutual: true, args });
    const steps = await watching(fixture, CHECKOUT, how === 'by itself' ? undefined : token);
    const { cert, key } = CHECKOUT;
    const idle = await HostileClient.connect(await fixture.address('grpc'), {
      tls: { ca: AUTHORITY.cert, cert, key },
    });
    vi.setSystemTime('2126-01-01T00:00:00.000Z');
    await expect(steps.next()).rejects.toMatchObject({
      reason: 'TOKEN_INVALID',
      message: expect.stringContaining(EXPIRED),
    });
    await idle.closed;
    expect(idle.goodbye).toEqual({ code: 0, text: '' });
  });
});

describe('when the client CA loses an authority', () => {
  it('connections and watches of its clients end, and calls that have begun are answered', async () => {
    const fixture = await withBoth();
    const client = await connected(fixture, STRANGER);
    const ask = await keptAlive(fixture, STRANGER);
    expect(await ask()).toMatchObject({ code: 200 });
    const steps = await watching(fixture, STRANGER);
    const begun = client.open();
    const answer = answerOf(begun);
    await client.ping();
    putFile(AUTHORITY.certFile, fixture.clientCaFile);
    await expect(steps.next()).rejects.toMatchObject({
      reason: 'TOKEN_INVALID',
      message: expect.stringContaining(FOREIGN),
    });
    await vi.waitUntil(() => client.goodbye);
    begun.end(framed(ORDER));
    expect(await answer).toMatchObject({ grpcStatus: status.OK });
    await client.closed;
    expect(client.goodbye).toEqual({ code: 0, text: '' });
    expect(await ask()).toEqual({ code: 200, connection: 'close', isReused: true });
    expect(await ask()).toMatchObject({ code: 401, isReused: false });
  });

  it('those of other authorities stay open, also through a chain', async () => {
    const fixture = await withBoth();
    const clients = [await connected(fixture, CHECKOUT), await connected(fixture, CHAINED)];
    const ask = await keptAlive(fixture, CHECKOUT);
    const stranger = await connected(fixture, STRANGER);
    expect(await ask()).toMatchObject({ code: 200 });
    // The same authority, written in another way.
    writeFileSync(fixture.clientCaFile, `# kept\n${readFileSync(AUTHORITY.certFile, 'latin1')}`);
    await stranger.closed;
    for (const client of clients) {
      expect(await client.call(ORDER)).toMatchObject({ grpcStatus: status.OK });
      expect(client.goodbye).toBeUndefined();
    }
    expect(await ask()).toMatchObject({ code: 200, connection: 'keep-alive', isReused: true });
  });
});
