import { expect, it } from 'vitest';
import { LedgerRefused, OrderError } from '../../../../src/core/errors.ts';
import { newClient } from '../../../../src/engines/dynamodb/connection/client.ts';
import { explain, failureOf, mayPass, NoAnswer, reasonOf } from '../../../../src/engines/dynamodb/table/failures.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

function named(name: string): Error {
  return Object.assign(new Error(`of ${name}`), { name });
}

it.each([
  ['ConditionalCheckFailedException', 'taken', false],
  ['ResourceNotFoundException', 'no table', false],
  ['ValidationException', 'refused', false],
  ['ItemCollectionSizeLimitExceededException', 'refused', false],
  ['ProvisionedThroughputExceededException', 'throttled', true],
  ['ThrottlingException', 'throttled', true],
  ['RequestLimitExceeded', 'throttled', true],
  ['LimitExceededException', 'throttled', true],
  ['AccessDeniedException', 'denied', false],
  ['UnrecognizedClientException', 'denied', false],
  ['ExpiredTokenException', 'denied', false],
  ['CredentialsProviderError', 'denied', false],
  ['InternalServerError', 'unknown', true],
  ['TimeoutError', 'unknown', true],
  ['AnythingElse', 'unknown', true],
])('%s: %s', (name, failure, passes) => {
  expect(failureOf(named(name))).toBe(failure);
  expect(mayPass(named(name))).toBe(passes);
});

it('P7: what is no answer of DynamoDB leaves open whether it was done', () => {
  expect(failureOf(new NoAnswer('late'))).toBe('unknown');
  expect(failureOf('a text')).toBe('unknown');
  expect(failureOf(undefined)).toBe('unknown');
});

it('P7: what this engine refuses or finds damaged does not pass by itself', () => {
  expect(mayPass(new LedgerRefused('it has moved'))).toBe(false);
  expect(mayPass(new OrderError('LEDGER_DAMAGED', 'it is damaged'))).toBe(false);
});

it('a missing region is final: no attempt will find one', async () => {
  const region = process.env['AWS_REGION'];
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_CONFIG_FILE: '/dev/null',
  });
  delete process.env['AWS_REGION'];
  const client = newClient({
    table: 'orders',
    region: undefined,
    endpoint: 'http://127.0.0.1:1',
    name: 'dynamodb://orders',
  });
  const error: unknown = await new Table(client, 'orders').get({ partition: 'meta', sort: '0' }).catch((why) => why);
  client.destroy();
  if (region !== undefined) process.env['AWS_REGION'] = region;
  expect(failureOf(error)).toBe('refused');
  expect(explain('dynamodb://orders', error)).toBe(
    'dynamodb://orders cannot be used (Region is missing); add ?region=… to the URL, or set AWS_REGION',
  );
});

it('a reason is one sentence, also of a host with several addresses', () => {
  expect(reasonOf(new Error(' no route \n'))).toBe('no route');
  expect(reasonOf(named(''))).toBe('of');
  expect(reasonOf(Object.assign(new Error(''), { name: 'TimeoutError' }))).toBe('TimeoutError');
  expect(reasonOf(new AggregateError([new Error('first'), new Error('second')]))).toBe('first');
  expect(reasonOf('text')).toBe('text');
});
