import { describe, expect, it } from 'vitest';
import { formatTokenFile, parseTokenFile, stateOf } from '../../../src/server/security/token-file.ts';
import { entryOf, tokenOf } from '../../support/security/tokens.ts';

const TOKEN = tokenOf('secret');
const HASH = entryOf(TOKEN).sha256!;
const GOOD = entryOf(TOKEN, { name: 'checkout-eu', stores: ['7', '9223372036854775807'], verbs: ['allocate', 'read'] });

function parse(...tokens: readonly unknown[]) {
  return parseTokenFile(JSON.stringify({ version: 1, tokens }));
}

describe('a token file', () => {
  it('is read as it is written', () => {
    const entries = parse(
      { ...GOOD, expires: '2028-02-29', revoked: '2027-01-02T03:04:05.678Z' },
      { name: 'a.B_c-9', san: 'URI:spiffe://example.org/a', stores: 'all', verbs: ['verify'] },
      { name: 'x'.repeat(64), san: 'DNS:Audit.example.org', stores: 'all', verbs: ['metrics', 'manage'] },
    );
    expect(entries).toEqual([
      {
        name: 'checkout-eu',
        sha256: HASH,
        stores: new Set([7n, 9223372036854775807n]),
        verbs: new Set(['allocate', 'read']),
        expires: '2028-02-29',
        revoked: '2027-01-02T03:04:05.678Z',
      },
      { name: 'a.B_c-9', san: 'URI:spiffe://example.org/a', stores: 'all', verbs: new Set(['verify']) },
      { name: 'x'.repeat(64), san: 'DNS:audit.example.org', stores: 'all', verbs: new Set(['metrics', 'manage']) },
    ]);
    expect(parseTokenFile(formatTokenFile(entries))).toEqual(entries);
    expect(parseTokenFile(`\uFEFF${formatTokenFile([])}`)).toEqual([]);
  });

  it.each<[text: string, message: RegExp]>([
    ['', /^it is empty$/],
    [' \n', /^it is empty$/],
    ['nonsense', /^it is not JSON$/],
    [`{"version":1,"tokens":[{"sha256":"${TOKEN}}]}`, /^it is not JSON/],
    ['{"version":1,\n"tokens":[],}', /^it is not JSON \(line 2 column 13\)$/],
    ['['.repeat(200), /nested more than 100 levels deep/],
    ['null', /^it is not a JSON object$/],
    ['[]', /^it is not a JSON object$/],
    ['{}', /^its version is missing, but this release knows only version 1$/],
    ['{"version":2,"grants":[]}', /^its version is 2, but this release knows only version 1$/],
    ['{"version":"1","tokens":[]}', /^its version is "1", but/],
    ['{"version":1}', /^its field tokens is not an array$/],
    ['{"version":1,"tokens":{}}', /^its field tokens is not an array$/],
    ['{"version":1,"tokens":[],"token":[]}', /^it has the field "token", which this release does not know$/],
    ['{"version":1,"tokens":[],"__proto__":[]}', /^it has the field "__proto__", which/],
  ])('%j is refused', (text, message) => {
    expect(() => parseTokenFile(text)).toThrow(message);
  });

  it.each<[what: string, entry: unknown, message: RegExp]>([
    ['no object', null, /^tokens\[1\] is not an object$/],
    ['no name', { ...GOOD, name: undefined }, /^tokens\[1\] has no field name$/],
    ['a name with a space', { ...GOOD, name: 'a b' }, /^tokens\[1\] \("a b"\): name: "a b" is not 1 to 64 characters/],
    ['an empty name', { ...GOOD, name: '' }, /name: "" is not 1 to 64/],
    ['a long name', { ...GOOD, name: 'x'.repeat(65) }, /is not 1 to 64 characters/],
    ['a name that breaks the line', { ...GOOD, name: 'a\nb\u2028\u009b' }, /^tokens\[1\] \("a\\nb {1,2}"\): name:/],
    ['a name with a line end behind', { ...GOOD, name: 'a\n' }, /is not 1 to 64/],
    ['a number as a name', { ...GOOD, name: 7 }, /name: 7 is not/],
    ['an unknown field', { ...GOOD, name: 'b', store: '7' }, /^tokens\[1\] \("b"\) has the field "store", which this/],
    [
      'neither hash nor san',
      { ...GOOD, name: 'b', sha256: undefined },
      /^tokens\[1\] \("b"\) needs either sha256 or san$/,
    ],
    ['both', { ...GOOD, name: 'b', san: 'DNS:a' }, /needs either sha256 or san$/],
    ['a token as its hash', { ...GOOD, name: 'b', sha256: TOKEN }, /sha256: it is not a SHA-256 in lower-case hex$/],
    ['a hash in capitals', { ...GOOD, name: 'b', sha256: HASH.toUpperCase() }, /lower-case/],
    ['a token as a name', { ...GOOD, name: `${TOKEN}/` }, /^tokens\[1\] \("ordn_…\/"\): name: "ordn_…\/" is not/],
    [
      'another kind of san',
      { ...GOOD, name: 'b', sha256: undefined, san: 'email:a@b' },
      /san: "email:a@b" is not URI:… or/,
    ],
    ['an empty san', { ...GOOD, name: 'b', sha256: undefined, san: 'URI:' }, /san: "URI:" is not/],
    ['no stores', { ...GOOD, name: 'b', stores: undefined }, /^tokens\[1\] \("b"\) has no field stores$/],
    [
      'an empty list of stores',
      { ...GOOD, name: 'b', stores: [] },
      /stores: \[\] is not an array with at least one item or "all"$/,
    ],
    ['all in a list', { ...GOOD, name: 'b', stores: ['all'] }, /stores: "all" is not a store id/],
    [
      'a number as a store',
      { ...GOOD, name: 'b', stores: [7] },
      /stores: 7 is not a store id, "1" to "9223372036854775807"$/,
    ],
    ['store 0', { ...GOOD, name: 'b', stores: ['0'] }, /stores: "0" is not/],
    ['store 2^63', { ...GOOD, name: 'b', stores: ['9223372036854775808'] }, /is not a store id/],
    [
      'an unknown verb',
      { ...GOOD, name: 'b', verbs: ['read', 'delete'] },
      /verbs: "delete" is not one of the verbs allocate, read,/,
    ],
    ['no verb', { ...GOOD, name: 'b', verbs: [] }, /verbs: \[\] is not an array with at least one item$/],
    [
      'a day that does not exist',
      { ...GOOD, name: 'b', expires: '2027-02-29' },
      /expires: "2027-02-29" is not a day as/,
    ],
    ['month 13', { ...GOOD, name: 'b', expires: '2027-13-01' }, /expires:/],
    ['a time as a day', { ...GOOD, name: 'b', expires: '2027-06-30T00:00:00Z' }, /expires:/],
    ['a number as a day', { ...GOOD, name: 'b', expires: 20270630 }, /expires: 20270630 is not/],
    ['null as a day', { ...GOOD, name: 'b', expires: null }, /expires: null is not/],
    [
      'a day as the time of revocation',
      { ...GOOD, name: 'b', revoked: '2027-06-30' },
      /revoked: "2027-06-30" is not a time/,
    ],
    ['false for revoked', { ...GOOD, name: 'b', revoked: false }, /revoked: false is not a time/],
    ['hour 25', { ...GOOD, name: 'b', revoked: '2027-06-30T25:00:00Z' }, /revoked:/],
    [
      'the same name',
      entryOf('other', { name: 'first' }),
      /^tokens\[1\] \("first"\) has the same name as tokens\[0\] \("first"\)$/,
    ],
    [
      'the same hash',
      { ...entryOf('first'), name: 'b' },
      /^tokens\[1\] \("b"\) has the same sha256 as tokens\[0\] \("first"\)$/,
    ],
  ])('with %s is refused, by the entry, without its secrets', (_, entry, message) => {
    const wrong = () => parse(entryOf('first', { name: 'first' }), entry);
    expect(wrong).toThrow(message);
    expect(wrong).not.toThrow(TOKEN);
    expect(wrong).not.toThrow(/[\n\u2028\u009b]/);
  });

  it.each([
    ['stores', 'tokens[0]', (text: string) => text.replace('"stores":', '"stores":["7"],"stores":')],
    [
      'verbs',
      'tokens[1]',
      (text: string) => text.replace(/"verbs":(?!.*"verbs":)/, '"verb\\u0073" : ["read"], "verbs":'),
    ],
    ['tokens', 'it', (text: string) => text.replace('"tokens":', '"tokens":[],"tokens":')],
  ])('with two fields %s in one object is refused, by the entry', (field, place, twice) => {
    const text = JSON.stringify({ version: 1, tokens: [entryOf('a', { name: 'a' }), entryOf('b', { name: 'b' })] });
    expect(parseTokenFile(text)).toHaveLength(2);
    expect(twice(text)).not.toBe(text);
    expect(() => parseTokenFile(twice(text))).toThrow(`${place} has the field "${field}" twice`);
  });

  it('may have the name of a field, quotes and colons in a value', () => {
    const san = 'URI:x"stores":"\\';
    expect(parse(entryOf('', { name: 'stores', san }))).toMatchObject([{ name: 'stores', san }]);
  });

  it('keeps the name of a revoked entry, but not its certificate', () => {
    const san = 'URI:spiffe://example.org/a';
    const revoked = entryOf('', { name: 'old', san, revoked: '2027-01-01T00:00:00Z' });
    expect(parse(revoked, entryOf('', { name: 'new', san }))).toHaveLength(2);
    expect(() => parse(revoked, entryOf('', { name: 'old', san }))).toThrow('has the same name');
    expect(() => parse(entryOf('', { name: 'a', san }), entryOf('', { name: 'b', san }))).toThrow('has the same san');
    const dns = ['DNS:a.example', 'DNS:A.example'].map((name, i) => entryOf('', { name: `${i}`, san: name }));
    expect(() => parse(...dns)).toThrow('has the same san');
  });
});

it('an entry expires at the end of its day, UTC', () => {
  const [entry] = parse({ ...GOOD, expires: '2027-06-30' });
  expect(stateOf(entry!, Date.parse('2027-06-30T23:59:59.999Z'))).toBe('active');
  expect(stateOf(entry!, Date.parse('2027-07-01T00:00:00.000Z'))).toBe('expired');
});
