import { describe, expect, it } from 'vitest';
import {
  capabilitiesOf,
  engineOf,
  ledgerName,
  parseLedger,
  parseLedgerPath,
  parseLedgerTable,
  parseRestoredLedger,
} from '../../src/engines/location.ts';
import { CAPABILITIES } from '../../src/engines/capabilities.ts';

const TABLES = [
  'dynamodb://orders',
  'DynamoDB://orders?region=eu-central-1',
  'dynamodb://shop.orders_2-b?region=us-gov-west-1&endpoint=http://127.0.0.1:8000',
  'dynamodb://orders?region=eusc-de-east-1',
  `dynamodb://${'x'.repeat(255)}?endpoint=https%3A%2F%2Fdynamodb.example%2F`,
];

describe('the URL of a table', () => {
  it.each(TABLES)('%s names a ledger', (url) => {
    expect(parseLedger(`${url} \n`)).toBe(url);
    expect(engineOf(url)).toBe('dynamodb');
    expect(ledgerName(url)).toBe(url);
    expect(capabilitiesOf(url)).toBe(CAPABILITIES.dynamodb);
    expect(parseLedgerTable(url).url).toBe(url);
  });

  it.each([
    ['dynamodb://', 'a table has 3 to 255 letters'],
    ['dynamodb://ab', 'a table has 3 to 255 letters'],
    [`dynamodb://${'x'.repeat(256)}`, 'a table has 3 to 255 letters'],
    ['dynamodb://orders/', 'a table has 3 to 255 letters'],
    ['dynamodb://key:secret@orders', 'a table has 3 to 255 letters'],
    ['dynamodb://orders#x', 'a table has 3 to 255 letters'],
    ['dynamodb://orders?regoin=eu-central-1', 'Unknown parameter regoin; allowed: region, endpoint.'],
    ['dynamodb://orders?region=eu-central-1&region=eu-west-1', 'The parameter region is there twice; leave one out.'],
    ['dynamodb://orders?region=Frankfurt', 'Frankfurt is not a region.'],
    ['dynamodb://orders?region=', ' is not a region.'],
    ['dynamodb://orders?endpoint=127.0.0.1:8000', 'an endpoint is an http or https URL'],
    ['dynamodb://orders?endpoint=ftp://h', 'an endpoint is an http or https URL'],
    ['dynamodb://orders?endpoint=http://key:secret@h', 'an endpoint is an http or https URL without a password.'],
  ])('%s is refused with the reason, and without a secret', (url, why) => {
    for (const parse of [parseLedger, parseLedgerTable]) {
      expect(() => parse(url)).toThrow(why);
      expect(() => parse(url)).not.toThrow('secret');
    }
  });

  it.each(['dynamodb:orders', 'dynamodb:/orders', 'dynamo://orders', 'arn:aws:dynamodb:eu-central-1:1:table/orders'])(
    '%s is almost one, and not taken for a path',
    (text) => {
      expect(() => parseLedger(text)).toThrow(
        'postgres://user@host:5432/database, or dynamodb://TABLE?region=eu-central-1: it looks like the URL of something else',
      );
    },
  );

  it('is no file and no database that was restored', () => {
    for (const parse of [parseLedgerPath, parseRestoredLedger]) {
      expect(() => parse(TABLES[0]!)).toThrow('aws dynamodb restore-table-to-point-in-time');
    }
    expect(() => parseLedgerTable('data/orders.db')).toThrow('Use dynamodb://TABLE?region=eu-central-1');
  });
});

it('a database is no file, and a file no database', () => {
  expect(() => parseLedgerPath('postgres://h/db')).toThrow('pg_basebackup');
  expect(() => parseRestoredLedger('data/orders.db')).toThrow('Use postgres://user@host:5432/database');
  expect(parseRestoredLedger('postgres://h/db')).toMatchObject({ name: 'postgres://h/db' });
});
