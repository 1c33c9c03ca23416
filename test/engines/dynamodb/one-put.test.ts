import { expect, it } from 'vitest';
import { readEntry } from '../../../src/engines/dynamodb/log/log-reader.ts';
import { withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { proxiedTable } from '../../support/dynamodb/proxied-table.ts';

const REQUEST = { storeId: 7n, requestId: 'a', count: 1, caller: '' };

it('P4: nothing is answered while its entry is not in the table', async () => {
  const { direct, url, proxy } = await proxiedTable();
  const { ledger } = await OpenedLedger.open(url);
  proxy.hold();
  let isAnswered = false;
  const answer = ledger.commit([REQUEST]).finally(() => {
    isAnswered = true;
  });
  await proxy.isHeld();
  expect(await withTable(direct, (table) => readEntry(table, 1))).toBeUndefined();
  expect(isAnswered).toBe(false);
  proxy.release();
  expect(await answer).toMatchObject([{ allocation: { orderId: 1n }, replayed: false }]);
});

it('P5 P7: a put whose answer is lost is found to be its own, and is new', async () => {
  const { url, proxy } = await proxiedTable();
  const { ledger, said } = await OpenedLedger.open(url);
  proxy.loseNextAnswer(() => {});
  expect(await ledger.commit([REQUEST])).toMatchObject([{ allocation: { orderId: 1n }, replayed: false }]);
  expect(said).toEqual([expect.stringContaining('did not confirm a write')]);
});
