import { expect, it } from 'vitest';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { proxiedTable } from '../../support/dynamodb/proxied-table.ts';

const HOUR_MS = 3_600_000;

it.each([
  ['ahead', -HOUR_MS],
  ['behind', HOUR_MS],
])('a server whose clock is an hour %s starts, and numbers', async (_, aheadMs) => {
  const { url, proxy } = await proxiedTable();
  proxy.setClockAhead(aheadMs);
  const { ledger, said } = await OpenedLedger.open(url);
  expect(await ledger.commit([order('a')])).toMatchObject([{ allocation: { orderId: 1n } }]);
  await ledger.indexed();
  expect(said).toEqual([]);
});

it('P7: a clock that jumps while a server numbers costs nobody an answer', async () => {
  const { url, proxy } = await proxiedTable();
  const { ledger, said } = await OpenedLedger.open(url);
  for (const [i, aheadMs] of [HOUR_MS, -HOUR_MS, 0].entries()) {
    proxy.setClockAhead(aheadMs);
    const orderId = BigInt(i + 1);
    expect(await ledger.commit([order(`${i}`)])).toMatchObject([{ allocation: { orderId }, replayed: false }]);
    await ledger.indexed();
  }
  expect(said).toEqual([]);
});

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
