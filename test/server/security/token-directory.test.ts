import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OrderError } from '../../../src/core/errors.ts';
import type { Credentials, Principal } from '../../../src/server/security/principal.ts';
import { TokenDirectory } from '../../../src/server/security/token-directory.ts';
import { parseTokenFile } from '../../../src/server/security/token-file.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import type { FileEntry } from '../../support/security/tokens.ts';
import { entryOf, tokenOf } from '../../support/security/tokens.ts';

const TOKEN = newToken();
const HINT = 'send authorization: Bearer <token> (order-numbers: --token or ORDERS_TOKEN)';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2027-06-30T12:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

function entries(...all: readonly FileEntry[]) {
  return parseTokenFile(JSON.stringify({ version: 1, tokens: all }));
}

function directoryOf(...all: readonly FileEntry[]): TokenDirectory {
  return new TokenDirectory(entries(...all));
}

function bearer(token: string): Credentials {
  return { authorization: `Bearer ${token}`, certificate: () => undefined };
}

function certificate(names: readonly string[], authorization?: string): Credentials {
  return { authorization, certificate: () => ({ names, sha256: '', ended: new AbortController().signal }) };
}

function refusalOf(call: () => Principal): string {
  const error = thrownBy(call);
  expect(error).toBeInstanceOf(OrderError);
  expect(error).toMatchObject({ reason: 'TOKEN_INVALID', fields: {} });
  expect(`${error.message} ${error.stack}`).not.toContain(TOKEN.slice(5, 20));
  return error.message;
}

function thrownBy(call: () => Principal): Error {
  try {
    return new Error(`${call().name} was let in`);
  } catch (error) {
    return error as Error;
  }
}

function endOf({ ended }: Principal): string | undefined {
  if (!ended!.aborted) return undefined;
  expect(ended!.reason).toMatchObject({ reason: 'TOKEN_INVALID' });
  return (ended!.reason as OrderError).message;
}

describe('a token', () => {
  it('proves its entry: the name, the verbs and the stores', () => {
    const directory = directoryOf(
      entryOf(newToken(), { name: 'other' }),
      entryOf(TOKEN, { stores: ['7', '8'], verbs: ['read'] }),
    );
    const principal = directory.authenticate(bearer(TOKEN));
    expect(principal).toMatchObject({ name: 'checkout', stores: new Set([7n, 8n]), verbs: new Set(['read']) });
    expect(endOf(principal)).toBeUndefined();
    for (const authorization of [`bearer ${TOKEN}`, `BEARER   ${TOKEN}`, `Bearer ${TOKEN} `]) {
      expect(directory.authenticate({ ...bearer(TOKEN), authorization })).toBe(principal);
    }
    expect(directory.active).toBe(2);
  });

  it('is compared whole: its prefix of any length is not enough', () => {
    const directory = directoryOf(entryOf(TOKEN));
    for (let length = 0; length < 43; length++) {
      const secret = TOKEN.slice(5, 5 + length);
      const similar = tokenOf(secret + (TOKEN[5 + length] === 'x' ? 'y' : 'x') + '0'.repeat(42 - length));
      expect(refusalOf(() => directory.authenticate(bearer(similar)))).toMatch(/^the token is unknown to this server/);
    }
    expect(refusalOf(() => directory.authenticate(bearer(`${TOKEN}0`)))).toMatch(/mistyped/);
  });

  it.each<[what: string, authorization: string | undefined, refusal: string]>([
    ['missing', undefined, `the call has no token; ${HINT}`],
    ['empty', '', 'the authorization of the call is empty; leave it out, or send Bearer and a token in it'],
    ['without Bearer', TOKEN, `the authorization header has no Bearer token; ${HINT}`],
    ['a password', `Basic ${TOKEN}`, `the authorization header has no Bearer token; ${HINT}`],
    ['nothing but Bearer', 'Bearer ', 'the token is empty; check the file or the variable that it comes from'],
    ['nothing but bearer, trimmed', 'bearer', 'the token is empty; check the file or the variable that it comes from'],
    ['two', `Bearer ${TOKEN}, Bearer ${TOKEN}`, `the authorization header has no Bearer token; ${HINT}`],
    [
      'of another service',
      `Bearer ghp_${TOKEN}`,
      'the token is not an order-numbers token, which begins with ordn_; ask the operator for one',
    ],
    [
      'mistyped',
      `Bearer ${TOKEN.slice(0, -7)}${TOKEN.slice(-6)}`,
      'the token is mistyped or cut off: its checksum does not match; copy all 54 characters again',
    ],
    [
      'of a stranger',
      `Bearer ${tokenOf('stranger')}`,
      'the token is unknown to this server: it was removed, or is for another server; ask the operator',
    ],
    ['the hash in the file', `Bearer ${entryOf(TOKEN).sha256}`, 'the token is not an order-numbers token'],
    ['huge', `Bearer ordn_${'x'.repeat(16_000)}`, 'the token is mistyped or cut off'],
  ])('that is %s is refused with what to do, and not shown', (_, authorization, refusal) => {
    const directory = directoryOf(entryOf(TOKEN));
    const said = refusalOf(() => directory.authenticate({ authorization, certificate: () => undefined }));
    expect(said.slice(0, refusal.length)).toBe(refusal);
  });

  it('that has expired is refused by name and day, at every call, without a reload', () => {
    const directory = directoryOf(entryOf(TOKEN, { expires: '2027-06-30' }));
    vi.setSystemTime('2027-06-30T23:59:59.999Z');
    expect(directory.authenticate(bearer(TOKEN)).name).toBe('checkout');
    expect(directory.active).toBe(1);
    vi.setSystemTime('2027-07-01T00:00:00.000Z');
    expect(refusalOf(() => directory.authenticate(bearer(TOKEN)))).toBe(
      'the access of checkout expired at the end of 2027-06-30 (UTC); ask the operator for a new token',
    );
    expect(directory.active).toBe(0);
  });

  it('that was revoked is refused by name, also if it has expired', () => {
    const revoked = { revoked: '2027-01-01T00:00:00Z', expires: '2027-01-02' };
    const directory = directoryOf(entryOf(TOKEN, revoked));
    expect(refusalOf(() => directory.authenticate(bearer(TOKEN)))).toBe(
      'the access of checkout was revoked; ask the operator for a new token',
    );
    expect(directory.active).toBe(0);
  });
});

describe('a certificate', () => {
  const uri = entryOf('', { name: 'by-uri', san: 'URI:spiffe://example.org/Checkout' });
  const dns = entryOf('', { name: 'by-dns', san: 'DNS:Checkout.example.org' });

  it('proves the first entry of the file with one of its names', () => {
    const directory = directoryOf(entryOf(TOKEN, { name: 'token' }), dns, uri);
    const names = ['URI:spiffe://example.org/Checkout', 'DNS:checkout.EXAMPLE.org'];
    expect(directory.authenticate(certificate(names)).name).toBe('by-dns');
    expect(directory.authenticate(certificate([names[0]!])).name).toBe('by-uri');
    expect(directoryOf(uri, dns).authenticate(certificate(names)).name).toBe('by-uri');
  });

  it.each<[names: readonly string[], refusal: string]>([
    [
      ['URI:spiffe://example.org/checkout'],
      '(URI:spiffe://example.org/checkout) is unknown to this server, and no token was sent',
    ],
    [
      ['DNS:checkout.example.org.evil'],
      '(DNS:checkout.example.org.evil) is unknown to this server, and no token was sent',
    ],
    [['URI:checkout.example.org'], '(URI:checkout.example.org)'],
    [['DNS:a\nb', 'DNS:c', 'DNS:d', 'DNS:e'], '(DNS:a b, DNS:c, DNS:d) is '],
    [[`DNS:${'a'.repeat(200)}`], `(DNS:${'a'.repeat(124)}…) is `],
    [[], 'the client certificate has no DNS or URI name, and no token was sent; send a token'],
  ])('with the names %j is not known', (names, refusal) => {
    const directory = directoryOf(uri, dns);
    expect(refusalOf(() => directory.authenticate(certificate(names)))).toContain(refusal);
  });

  it('does not let in what no entry with a certificate has: tokens have no name', () => {
    const directory = directoryOf(entryOf(TOKEN));
    for (const name of ['undefined', '', 'DNS:undefined']) {
      expect(refusalOf(() => directory.authenticate(certificate([name])))).toContain('is unknown to this server');
    }
  });

  it('of a revoked entry counts for the entry that came after it', () => {
    const old = { ...uri, name: 'old', revoked: '2027-01-01T00:00:00Z' };
    const names = certificate(['URI:spiffe://example.org/Checkout']);
    expect(directoryOf(old, uri).authenticate(names).name).toBe('by-uri');
    expect(refusalOf(() => directoryOf(old).authenticate(names))).toContain('the access of old was revoked');
  });

  it('does not help a token that is sent and refused', () => {
    const directory = directoryOf(uri, entryOf(TOKEN, { name: 'token' }));
    const names = ['URI:spiffe://example.org/Checkout'];
    expect(directory.authenticate(certificate(names, `Bearer ${TOKEN}`)).name).toBe('token');
    for (const authorization of ['', `Bearer ${newToken()}`, 'Bearer x', 'Basic x']) {
      expect(refusalOf(() => directory.authenticate(certificate(names, authorization)))).toContain('token');
    }
  });
});

describe('what a principal has opened', () => {
  const before = entryOf(TOKEN, { stores: ['7', '8'], verbs: ['allocate', 'read'] });
  const otherToken = newToken();
  const others = entryOf(otherToken, { name: 'others' });

  it.each<[what: string, after: readonly FileEntry[], end: RegExp]>([
    ['its revocation', [{ ...before, revoked: '2027-06-30T11:00:00Z' }], /^the access of checkout was revoked/],
    ['its removal', [], /^the operator has changed the rights of checkout; call again$/],
    ['its expiry', [{ ...before, expires: '2027-06-29' }], /^the access of checkout expired at the end of 2027-06-29/],
    ['narrower stores', [{ ...before, stores: ['7'] }], /^the operator has changed the rights of checkout/],
    ['wider stores', [{ ...before, stores: ['7', '8', '9'] }], /^the operator has changed the rights of checkout/],
    ['other stores', [{ ...before, stores: ['7', '9'] }], /^the operator has changed the rights of checkout/],
    ['all stores', [{ ...before, stores: 'all' }], /^the operator has changed the rights of checkout/],
    ['narrower verbs', [{ ...before, verbs: ['read'] }], /^the operator has changed the rights of checkout/],
    [
      'another token',
      [{ ...before, sha256: entryOf('x').sha256! }],
      /^the operator has changed the rights of checkout/,
    ],
    ['another name', [{ ...before, name: 'renamed' }], /^the operator has changed the rights of checkout/],
  ])('ends with %s, and nothing else does', (_, after, end) => {
    const directory = directoryOf(others, before);
    const principal = directory.authenticate(bearer(TOKEN));
    const other = directory.authenticate(bearer(otherToken));
    directory.replace(entries(...after, others));
    expect(endOf(principal)).toEqual(expect.stringMatching(end));
    expect(endOf(other)).toBeUndefined();
  });

  it('goes on with a file that says the same in another order, or with a later day', () => {
    const directory = directoryOf(before, { ...others, expires: '2027-12-31' });
    const principal = directory.authenticate(bearer(TOKEN));
    const again = { ...before, stores: ['8', '7', '7'], verbs: ['read', 'allocate'] };
    directory.replace(entries(others, again));
    directory.replace(entries({ ...again, expires: '2027-12-31' }, others));
    expect(endOf(principal)).toBeUndefined();
    expect(directory.authenticate(bearer(TOKEN))).toBe(principal);
    vi.setSystemTime('2028-01-01T00:00:00Z');
    expect(refusalOf(() => directory.authenticate(bearer(TOKEN)))).toContain('expired at the end of 2027-12-31');
  });

  it('ends when the clock says so, and only then', () => {
    const directory = directoryOf({ ...before, expires: '2027-06-30' }, others);
    const principal = directory.authenticate(bearer(TOKEN));
    vi.setSystemTime('2027-06-30T23:59:59.999Z');
    directory.endExpired();
    expect(endOf(principal)).toBeUndefined();
    vi.setSystemTime('2027-07-01T00:00:00Z');
    directory.endExpired();
    expect(endOf(principal)).toMatch(/^the access of checkout expired/);
  });

  it('can be opened again if the clock was put back, or the day put off', () => {
    const directory = directoryOf({ ...before, expires: '2027-06-30' });
    const ended = directory.authenticate(bearer(TOKEN));
    vi.setSystemTime('2027-07-01T00:00:00Z');
    directory.endExpired();
    vi.setSystemTime('2027-06-30T00:00:00Z');
    const again = directory.authenticate(bearer(TOKEN));
    expect([endOf(ended), endOf(again)]).toEqual([expect.stringContaining('expired'), undefined]);
    vi.setSystemTime('2027-07-01T00:00:00Z');
    directory.endExpired();
    directory.replace(entries({ ...before, expires: '2027-07-01' }));
    expect(endOf(again)).toContain('expired');
    expect(endOf(directory.authenticate(bearer(TOKEN)))).toBeUndefined();
  });
});

it('after a change the old rights are gone at the next call', () => {
  const directory = directoryOf(entryOf(TOKEN, { stores: ['7'] }));
  directory.authenticate(bearer(TOKEN));
  directory.replace(entries(entryOf(TOKEN, { stores: ['8'] })));
  expect(directory.authenticate(bearer(TOKEN)).stores).toEqual(new Set([8n]));
  directory.replace(entries(entryOf(TOKEN, { stores: ['8'], revoked: '2027-01-01T00:00:00Z' })));
  expect(refusalOf(() => directory.authenticate(bearer(TOKEN)))).toContain('was revoked');
  directory.replace([]);
  expect(refusalOf(() => directory.authenticate(bearer(TOKEN)))).toContain('unknown to this server');
  expect(directory.active).toBe(0);
});
