import { expect, it } from 'vitest';
import { isPostgresUrl, parsePostgresUrl } from '../../../../src/engines/postgres/connection/postgres-url.ts';

it.each([
  ['postgres://h/db', ['postgres://h/db'], 'postgres://h/db'],
  ['postgresql://u@h:5433/db', ['postgresql://u@h:5433/db'], 'postgresql://u@h:5433/db'],
  [
    'postgres://u:s%40c@a:1,b,[::1]:3/db?sslmode=verify-full',
    [
      'postgres://u:s%40c@a:1/db?sslmode=verify-full',
      'postgres://u:s%40c@b/db?sslmode=verify-full',
      'postgres://u:s%40c@[::1]:3/db?sslmode=verify-full',
    ],
    'postgres://u@a:1,b,[::1]:3/db',
  ],
  ['postgres:///db?host=/var/run/postgresql', ['postgres:///db?host=/var/run/postgresql'], 'postgres:///db'],
])('%s', (text, hosts, name) => {
  expect(isPostgresUrl(text)).toBe(true);
  expect(parsePostgresUrl(text)).toEqual({ hosts, name });
});

it.each([
  'postgres://h/db?sslmod=require',
  'postgres://h/db?sslmode=require&application_name=x',
  'postgres://h/db?password=secret',
])('%s has an unknown parameter, which is named with the allowed ones', (text) => {
  expect(() => parsePostgresUrl(text)).toThrow(
    /^Unknown parameter (sslmod|application_name|password); allowed: channel_binding, host,/,
  );
});

it.each([
  'postgres://',
  'postgres://a,b/db?host=c',
  'postgres://h',
  'postgres://h/',
  'postgres:///db',
  'postgres://a,,b/db',
  'postgres://h:port/db',
  'postgres://h:70000/db',
  'postgres://u:p@ss@h/db',
  'mysql://h/db',
])('%s is refused with what is valid, and without its password', (text) => {
  expect(() => parsePostgresUrl(text)).toThrow(/^Use postgres:\/\/user@host:5432\/database/);
});

it.each([
  ['postgres://h/db?sslmode=verify_full', /^Invalid sslmode verify_full; allowed: disable, /],
  ['postgres://h/db?channel_binding=always', /^Invalid channel_binding always; allowed: disable, prefer, require\.$/],
])('%s has a value that would be ignored', (text, says) => {
  expect(() => parsePostgresUrl(text)).toThrow(says);
});
