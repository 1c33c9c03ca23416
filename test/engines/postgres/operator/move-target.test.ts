import { expect, it } from 'vitest';
import type { Allocation } from '../../../../src/core/allocation.ts';
import { MoveTarget } from '../../../../src/engines/postgres/operator/move-target.ts';
import { prepareDatabase } from '../../../../src/engines/postgres/operator/prepare-database.ts';
import { newDatabase } from '../../../support/postgres/database.ts';

it('a row that moves in has its caller, also between rows that have none', async () => {
  const url = await newDatabase();
  const { session } = await prepareDatabase([url], new AbortController().signal);
  const target = await MoveTarget.open(session, url);
  await target.claim({ ledgerId: 'another-ledger', firstOrderId: 1n }, false);
  const rows = ['', 'checkout-eu', '', 'URI:spiffe://shop/it\'s,{"pos"}'].map((caller, i): Allocation => {
    const orderId = BigInt(i + 1);
    return {
      orderId,
      storeId: 1n,
      orderNumber: orderId + 99n,
      count: 1,
      requestId: `r${i}`,
      prefix: '',
      suffix: '',
      minDigits: 0,
      createTimeMs: 1,
      caller,
    };
  });
  await target.addAllocations(rows.slice(0, 1));
  await target.addAllocations(rows.slice(1));
  expect(await target.contents.allocationsAfter(0n, 10)).toEqual(rows);
  await target.close();
});
