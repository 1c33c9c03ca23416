import type { TableStatus } from '@aws-sdk/client-dynamodb';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, expect, it, vi } from 'vitest';
import { ANY_LEDGER } from '../../../src/core/expected-ledger.ts';
import { DynamodbLedger } from '../../../src/engines/dynamodb/dynamodb-ledger.ts';
import { TableAdmin } from '../../../src/engines/dynamodb/table/table-admin.ts';
import type { TableClient } from '../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';

const NAME = 'dynamodb://orders';

/** A ledger over a table of this status, which has no item to give. */
function opening(statusOf: () => TableStatus | 'no answer' | Error) {
  const said: string[] = [];
  const looked = Promise.withResolvers<void>();
  const send = async (command: object) => {
    if (!(command instanceof DescribeTableCommand)) {
      throw Object.assign(new Error('no such table'), { name: 'ResourceNotFoundException' });
    }
    looked.resolve();
    const status = statusOf();
    if (status instanceof Error) throw status;
    return status === 'no answer' ? new Promise(() => {}) : { Table: { TableStatus: status } };
  };
  const client = { send } as unknown as TableClient;
  const place = { table: new Table(client, 'orders'), admin: new TableAdmin(client, 'orders'), name: NAME };
  const ledger = new DynamodbLedger({ ...place, expected: ANY_LEDGER }, true, {
    opened() {},
    waiting: (why) => void said.push(why),
    failed: ({ cause }) => void said.push(String(cause)),
    lost() {},
    warning() {},
    transaction() {},
  });
  return { ledger, said, looked: looked.promise };
}

afterEach(() => void vi.useRealTimers());

it.each(['CREATING', 'no answer'] as const)('a close ends the opening of a table at once: %s', async (status) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { ledger, said, looked } = opening(() => status);
  const ready = ledger.ready().catch((error: unknown) => error);
  await looked;
  // No time passes.
  await ledger.close();
  expect(await ready).toMatchObject({ reason: 'DRAINING' });
  expect(said).toEqual([]);
});

it('P9: a table that is being deleted is refused, and none is created in its place', async () => {
  const { ledger, said } = opening(() => 'DELETING');
  await expect(ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(said).toEqual([
    `LedgerRefused: the table of ${NAME} is being deleted; start again once it is gone, or name another one`,
  ]);
  await ledger.close();
});

it('a table that does not become ready is told of, and waited for', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const { ledger, said } = opening(() => {
    vi.advanceTimersByTime(10_000);
    return 'CREATING';
  });
  await expect
    .poll(() => said)
    .toEqual([`the ledger cannot be opened yet: the table of ${NAME} is not ready (CREATING)`]);
  await ledger.close();
});

it('an endpoint where nothing listens is told of with the table and the remedy, and waited for', async () => {
  const { ledger, said } = opening(() => new Error('connect ECONNREFUSED 127.0.0.1:1'));
  await expect
    .poll(() => said)
    .toEqual([
      `the ledger cannot be opened yet: ${NAME} cannot be used (connect ECONNREFUSED 127.0.0.1:1); check the network to it, ` +
        'its region, and the endpoint if one is given',
    ]);
  await ledger.close();
});
