import { expect, it } from 'vitest';
import { isAllowedHost } from '../../../../src/server/security/web/allowed-hosts.ts';

const HOSTS = ['orders.internal', '10.0.0.9'];

it.each([
  ['localhost', true],
  ['localhost:3000', true],
  ['LOCALHOST.', true],
  ['orders.localhost:3000', true],
  ['127.0.0.1:3000', true],
  ['127.9.9.9', true],
  ['[::1]:3000', true],
  ['10.0.0.5:3000', true],
  ['Orders.Internal:3000', true],
  ['10.0.0.9', true],
  ['10.0.0.6:3000', false],
  ['evil.example', false],
  ['evil.example:3000', false],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
  ['notlocalhost', false],
  ['orders.internal.evil.example', false],
  ['evil.example@localhost', false],
  ['localhost:3000:3000', false],
  ['localhost, evil.example', false],
  ['', false],
])('Host: %s on 10.0.0.5: %s', (host, allowed) => {
  expect(isAllowedHost(host, '10.0.0.5', HOSTS)).toBe(allowed);
});

it.each([
  ['0.0.0.0', '10.0.0.6:3000', true],
  ['::', '[2001:db8::1]:3000', true],
  ['0.0.0.0', 'evil.example', false],
  ['0.0.0.0', '10.0.0.6.evil.example', false],
  ['orders.lan', 'orders.lan:3000', true],
  ['orders.lan', '10.0.0.6', false],
])('on %s, Host: %s: %s', (listenHost, host, allowed) => {
  expect(isAllowedHost(host, listenHost, [])).toBe(allowed);
});
