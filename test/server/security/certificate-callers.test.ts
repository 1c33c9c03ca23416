import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TlsOptions } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { CERTIFICATE_HOLDERS } from '../../../src/server/security/required-certificate.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { AUTHORITY, CHECKOUT } from '../../support/network/certificates.ts';
import { askSecurely } from '../../support/network/tls-client.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import type { FileEntry } from '../../support/security/tokens.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';
import { TlsFixture } from './tls/tls-fixture.ts';

const SHA256 = 'ab'.repeat(32);
const CHECKOUT_URI = 'spiffe://example.com/checkout';
const ORDER = { path: '/api/generateOrderNumber', body: '{"store_id": 7}' };
const { cert, key } = CHECKOUT;

describe('without tokens, the caller is', () => {
  it.each([
    ['the first name of the certificate', ['URI:spiffe://shop/a', 'DNS:b'], 'spiffe://shop/a'],
    ['whichever kind it has', ['DNS:b.example', 'URI:spiffe://shop/a'], 'b.example'],
    ['up to 64 characters', [`DNS:${'x'.repeat(64)}`], 'x'.repeat(64)],
    ['the hash if it is longer', [`DNS:${'x'.repeat(65)}`, 'DNS:short'], SHA256],
    ['the hash if it is not printable ASCII', ['URI:spiffe://shop/é'], SHA256],
    ['the hash if a line break is in it', ['URI:a\nb'], SHA256],
    ['the hash if it is empty', ['DNS:'], SHA256],
    ['the hash if there is none', [], SHA256],
  ])('%s', (_, names, name) => {
    const principal = CERTIFICATE_HOLDERS.authenticate({
      authorization: undefined,
      certificate: () => ({ names, sha256: SHA256, ended: new AbortController().signal }),
    });
    expect(principal).toMatchObject({ name, stores: 'all' });
    expect([...principal.verbs]).toEqual(['allocate', 'read', 'manage', 'verify', 'metrics']);
  });

  it('recorded over gRPC and HTTP, and of each connection its own', async () => {
    const fixture = new TlsFixture({ mutual: true });
    const client = await clientOf(fixture, { cert, key });
    for (let i = 0; i < 3; i++) expect(await client.allocate({ storeId: 7 })).toMatchObject({ caller: CHECKOUT_URI });
    await askSecurely(await fixture.address('http'), ORDER.path, { ...ORDER, tls: { cert, key } });
    expect(await client.getAllocation({ orderId: 4 })).toMatchObject({ caller: CHECKOUT_URI });
  });

  it('asked for the metrics, too, if these are secure', async () => {
    const address = await new TlsFixture({ mutual: true, args: ['--metrics-secure'] }).address('metrics');
    expect(await askSecurely(address, '/metrics')).toMatchObject({
      code: 401,
      body: expect.stringMatching(/^this server requires a client certificate/),
    });
    expect(await askSecurely(address, '/metrics', { tls: { cert, key } })).toMatchObject({ code: 200 });
  });
});

describe('with tokens', () => {
  it('a certificate has the rights of the entry that names it', async () => {
    const { fixture } = await withTokens(
      entryOf('', { name: 'checkout-us', san: `URI:${CHECKOUT_URI}`, stores: ['7'], verbs: ['allocate'] }),
    );
    const client = await clientOf(fixture, { cert, key });
    expect(await client.allocate({ storeId: 7 })).toMatchObject({ caller: 'checkout-us' });
    await expect(client.allocate({ storeId: 8 })).rejects.toMatchObject({ reason: 'STORE_FORBIDDEN' });
    await expect(client.getStore(7)).rejects.toMatchObject({ reason: 'VERB_FORBIDDEN' });
    const order = (body: string) => fixture.address('http').then((http) => ask(http, body, {}));
    expect(await order('{"store_id": 7}')).toMatchObject({ code: 200 });
    expect(await order('{"store_id": 8}')).toMatchObject({ code: 403 });
  });

  it('a certificate that no entry names is refused, although its authority is right', async () => {
    const { fixture } = await withTokens(entryOf(newToken()));
    await expect((await clientOf(fixture, { cert, key })).allocate({ storeId: 7 })).rejects.toMatchObject({
      reason: 'TOKEN_INVALID',
      message: expect.stringContaining(`the client certificate (URI:${CHECKOUT_URI}`),
    });
  });

  it('a token that is sent wins over the certificate, and never falls back to it', async () => {
    const [token, revoked] = [newToken(), newToken()];
    const { fixture } = await withTokens(
      entryOf('', { name: 'by-certificate', san: `URI:${CHECKOUT_URI}` }),
      entryOf(token, { name: 'by-token', stores: ['7'], verbs: ['allocate'] }),
      entryOf(revoked, { name: 'revoked', revoked: '2026-01-01T00:00:00Z' }),
    );
    const http = await fixture.address('http');
    const holder = await clientOf(fixture, { cert, key }, token);
    expect(await holder.allocate({ storeId: 7 })).toMatchObject({ caller: 'by-token' });
    await expect(holder.allocate({ storeId: 8 })).rejects.toMatchObject({ reason: 'STORE_FORBIDDEN' });
    await expect(holder.getStore(7)).rejects.toMatchObject({ reason: 'VERB_FORBIDDEN' });
    for (const wrong of [newToken(), revoked, `${token.slice(0, -1)}!`, 'password']) {
      const stranger = await clientOf(fixture, { cert, key }, wrong);
      await expect(stranger.allocate({ storeId: 7 })).rejects.toMatchObject({ reason: 'TOKEN_INVALID' });
      expect(await ask(http, ORDER.body, { authorization: `Bearer ${wrong}` })).toMatchObject({ code: 401 });
    }
    expect(await ask(http, ORDER.body, { authorization: 'Basic c2hvcDpzaG9w' })).toMatchObject({ code: 401 });
    const owner = await clientOf(fixture, { cert, key });
    expect(await owner.allocate({ storeId: 7 })).toMatchObject({ caller: 'by-certificate' });
  });

  it('and a client CA, calls need both, and the metrics a token alone', async () => {
    const [token, scraper] = [newToken(), newToken()];
    const { fixture } = await withTokens(
      entryOf(token, { name: 'shop' }),
      entryOf(scraper, { name: 'prometheus', verbs: ['metrics'] }),
    );
    const bearer = { authorization: `Bearer ${token}` };
    const http = await fixture.address('http');
    const { code } = await askSecurely(http, ORDER.path, { ...ORDER, headers: bearer });
    expect(code).toBe(401);
    expect(await ask(http, ORDER.body, bearer)).toMatchObject({ code: 200 });
    const metrics = await fixture.address('metrics');
    const scrape = (headers: Record<string, string>) => askSecurely(metrics, '/metrics', { headers });
    expect(await scrape({ authorization: `Bearer ${scraper}` })).toMatchObject({ code: 200 });
    expect(await scrape({})).toMatchObject({ code: 401 });
  });
});

async function withTokens(...entries: readonly FileEntry[]) {
  const tokens = join(testFolder(), 'tokens.json');
  writeTokens(tokens, ...entries);
  return { fixture: new TlsFixture({ mutual: true, args: ['--tokens', tokens, '--metrics-secure'] }) };
}

async function clientOf(fixture: TlsFixture, tls: TlsOptions, token?: string) {
  const client = createClient({ address: await fixture.address('grpc'), tls: { ca: AUTHORITY.cert, ...tls }, token });
  onTestFinished(() => client.close());
  return client;
}

/** With the certificate. */
function ask(http: string, body: string, headers: Record<string, string>) {
  return askSecurely(http, ORDER.path, { body, headers, tls: { cert, key } });
}
