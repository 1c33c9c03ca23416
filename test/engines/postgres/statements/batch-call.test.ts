import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { query } from '../../../support/postgres/query.ts';
import { OpenedLedger } from '../opened-ledger.ts';

it('a batch numbered one by one, at the end of all order_ids, reports where its last allocation ended', async () => {
  const url = await newDatabaseWithSchema();
  const { ledger } = await OpenedLedger.open(url);
  await query(url, 'UPDATE order_numbers.ledger SET last_order_id = $1', [INT64_MAX - 3n]);
  const batch = ['a', 'b', 'c', 'd'].map((requestId) => ({ storeId: 1n, requestId, count: 1, caller: '' }));
  expect(await ledger.commit(batch)).toMatchObject([
    { allocation: { orderId: INT64_MAX - 2n } },
    { allocation: { orderId: INT64_MAX - 1n } },
    { allocation: { orderId: INT64_MAX } },
    { refused: { reason: 'SEQUENCE_EXHAUSTED' } },
  ]);
  expect(ledger.lastOrderId).toBe(INT64_MAX);
});
