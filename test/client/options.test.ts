import { expect, it } from 'vitest';
import type { ClientOptions } from '../../src/client/index.ts';
import { createClient } from '../../src/client/index.ts';
import { CLIENT_CERTIFICATE, SERVER_CERTIFICATE } from '../support/network/certificates.ts';

const { cert, key } = SERVER_CERTIFICATE;
const NO_CERTIFICATE = '-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n';

it.each<ClientOptions | undefined>([
  undefined,
  {},
  { address: undefined, token: undefined, tls: undefined, combine: undefined },
  { tls: false },
  { address: 'orders.example.com', tls: { ca: cert, cert, key: key.toString() }, timeoutMs: Infinity },
])('%j is enough for a client, which connects at its first call', (options) => {
  expect(() => createClient(options).close()).not.toThrow();
});

it.each<[options: unknown, message: string | RegExp]>([
  [null, "createClient takes an object of options, such as { address: 'localhost:50051' }, not null"],
  ['localhost:50051', /^createClient takes an object of options, .*, not "localhost:50051"$/],
  [['localhost'], /^createClient takes an object of options, .*, not localhost$/],
  [
    { adress: 'localhost' },
    'option adress is unknown: the options are address, token, tls, timeoutMs, attemptTimeoutMs, ' +
      'unreachableTimeoutMs, combine, onRetrying',
  ],
  [{ tls: { rootCerts: cert } }, 'option tls.rootCerts is unknown: the options are tls.ca, tls.cert, tls.key'],
  [{ constructor: 1 }, /^option constructor is unknown: /],
  [{ address: 50051 }, 'address 50051 is not valid: it must be a string'],
  [{ address: null }, 'address null is not valid: it must be a string'],
  [
    { address: '' },
    'address "" is not valid: it must be host or host:port, such as localhost, 127.0.0.1:50051 or [::1]:50051',
  ],
  [
    { address: 'http://localhost:50051' },
    'address "http://localhost:50051" is not valid: it is a URL: use "localhost:50051"',
  ],
  [
    { address: 'https://orders/x' },
    'address "https://orders/x" is not valid: it is a URL: use "orders:50051" with tls: true',
  ],
  [{ token: 5 }, 'token is not valid: it must be a string of printable ASCII without spaces'],
  [{ token: '' }, /^token is not valid/],
  [{ tls: 'yes' }, 'tls "yes" is not valid: it must be true, false or { ca, cert, key }'],
  [{ tls: null }, /^tls null is not valid/],
  [{ tls: { ca: './ca.pem' } }, /^tls\.ca is not valid: it must be the text of a PEM file, .* and not its path$/],
  [{ tls: { cert, key: true } }, /^tls\.key is not valid: it must be the text of a PEM file/],
  [{ tls: { ca: NO_CERTIFICATE } }, /^tls\.ca is not valid \(.+\): it must be certificates in PEM$/],
  [{ tls: { cert } }, 'tls.cert and tls.key go together: give both or neither'],
  [
    { tls: { cert, key: CLIENT_CERTIFICATE.key } },
    /^tls\.cert and tls\.key are not valid \(.+\): give a certificate and/,
  ],
  [{ tls: { cert: key, key: cert } }, /^tls\.cert and tls\.key are not valid/],
  [{ timeoutMs: '5' }, 'timeoutMs "5" is not valid: it must be a number of milliseconds above 0'],
  [{ attemptTimeoutMs: 0 }, /^attemptTimeoutMs 0 is not valid/],
  [{ unreachableTimeoutMs: Number.NaN }, /^unreachableTimeoutMs NaN is not valid/],
  [{ combine: 'no' }, 'combine "no" is not valid: it must be true or false'],
  [{ onRetrying: true }, 'onRetrying true is not valid: it must be a function'],
])('%j is refused with a TypeError that names the option', (options, message) => {
  const { name, message: said } = refusalOf(options);
  expect(name).toBe('TypeError');
  expect(said).toMatch(typeof message === 'string' ? exactly(message) : message);
});

it.each([
  { token: 'my secret' },
  { tls: { ca: 'secret' } },
  { address: 'https://me:secret@orders' },
  { address: '//me:secret@orders' },
])('no secret is in a refusal', (options) => {
  expect(refusalOf(options).message).not.toContain('secret');
});

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`);
}

function refusalOf(options: unknown): Error {
  try {
    createClient(options as never).close();
  } catch (error) {
    return error as Error;
  }
  throw new Error('the options were accepted');
}
