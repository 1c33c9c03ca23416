import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { hashOfToken, kindOfToken, newToken, withoutTokens } from '../../../src/server/security/token-text.ts';
import { tokenOf } from '../../support/security/tokens.ts';

it('a new token has a prefix, 256 random bits and a checksum', () => {
  const tokens = Array.from({ length: 2000 }, newToken);
  for (const token of tokens) {
    expect(token).toMatch(/^ordn_[0-9A-Za-z]{49}$/);
    expect(token).toBe(tokenOf(token.slice(5, 48)));
    expect(kindOfToken(token)).toBe('token');
  }
  expect(new Set(tokens).size).toBe(tokens.length);
  // The first digit is 0 to A or so of 62, the last ones are any: 256 bits are a little less than 43 digits hold.
  for (const place of [6, 20, 47]) expect(new Set(tokens.map((token) => token[place])).size).toBe(62);
});

it('a token whose secret is 0 keeps its length', () => {
  expect(kindOfToken(tokenOf('0'))).toBe('token');
  expect(tokenOf('0')).toHaveLength(54);
});

it('each mistyped character, and each missing one, is found', () => {
  const token = newToken();
  for (let at = 5; at < token.length; at++) {
    const other = token[at] === 'x' ? 'y' : 'x';
    expect(kindOfToken(token.slice(0, at) + other + token.slice(at + 1))).toBe('mistyped');
    expect(kindOfToken(token.slice(0, at))).toBe('mistyped');
    expect(kindOfToken(token.slice(0, at) + token.slice(at + 1))).toBe('mistyped');
  }
  expect(kindOfToken(`${token}x`)).toBe('mistyped');
  expect(kindOfToken(`${token.slice(0, -1)}é`)).toBe('mistyped');
});

it.each(['', 'ordn', 'ORDN_0123', 'ghp_0123', 'secret', ` ${tokenOf('1')}`])(
  '%j is no token of this service',
  (text) => {
    expect(kindOfToken(text)).toBe('foreign');
  },
);

it('a token is hashed whole', () => {
  const token = newToken();
  expect(hashOfToken(token)).toBe(createHash('sha256').update(token).digest('hex'));
});

it('a message has no token in it, whole or not', () => {
  expect(withoutTokens(`--token=${tokenOf('1')} and ordn_12`)).toBe('--token=ordn_… and ordn_…');
});
