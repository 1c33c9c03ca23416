import { expect, it } from 'vitest';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { proxiedTable } from '../../support/dynamodb/proxied-table.ts';

// A server that has not seen what another one has written puts its entry at a position that is taken, and has to form it
// again on what it reads there.

const STORE = { storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 };

it('P5: a retry that loses a race to its original is a replay, although only the log has that one', async () => {
  const { direct, url, proxy } = await proxiedTable();
  const [one, other] = [await OpenedLedger.open(url), await OpenedLedger.open(direct)];
  // So the item of the request is not written.
  proxy.deny('BatchWriteItem');
  const [original] = await one.ledger.commit([order('a')]);
  expect(original).toMatchObject({ allocation: { orderId: 1n }, replayed: false });
  expect(await other.ledger.commit([order('a'), order('b')])).toMatchObject([
    { ...original, replayed: true },
    { allocation: { orderId: 2n, orderNumber: 101n }, replayed: false },
  ]);
});

it('P2: a change of a store that loses a race keeps the settings and the numbers that the winner has written', async () => {
  const url = await newTableUrl();
  const [one, other] = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  await one.ledger.createStore(STORE);
  await other.ledger.reads.getStore(7n);
  await one.ledger.updateStore(7n, { prefix: 'A' });
  const { before, after } = await other.ledger.updateStore(7n, { suffix: 'Z' });
  expect([before.prefix, after.prefix, after.suffix]).toEqual(['A', 'A', 'Z']);

  await one.ledger.commit([order('a')]);
  await other.ledger.updateStore(7n, { minDigits: 5 });
  expect(await one.ledger.commit([order('b')])).toMatchObject([
    { allocation: { orderId: 2n, orderNumber: 101n, prefix: 'A', suffix: 'Z', minDigits: 5 } },
  ]);
});

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
