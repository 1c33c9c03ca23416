import { expect, it } from 'vitest';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { RawTable } from '../../support/dynamodb/raw-table.ts';

const DAMAGED = 'LEDGER_DAMAGED';

it.each([
  ['of another type', { N: '7.5' }],
  ['a text', { S: 'seven' }],
])(
  'P7: a number of one request that is %s refuses that request, and the rest of its batch is numbered',
  async (_, count) => {
    const { url, opened } = await withOrders();
    await (await RawTable.of(url)).change(/^req#7#b$/, { count });
    const outcomes = await opened.ledger.commit(['a', 'b', 'c', 'd'].map((requestId) => order(7n, requestId)));
    expect(outcomes).toMatchObject([
      { allocation: { orderNumber: 100n }, replayed: true },
      { refused: { reason: DAMAGED, message: 'the ledger is damaged: its item req#7#b has no number count' } },
      { allocation: { orderNumber: 102n }, replayed: true },
      { allocation: { orderNumber: 103n }, replayed: false },
    ]);
    await expect(opened.ledger.reads.getAllocation({ storeId: 7n, requestId: 'b' })).rejects.toMatchObject({
      reason: DAMAGED,
    });
    expect(opened.said).toEqual([]);
  },
);

it('P7: a store that cannot be read refuses its own requests and changes, and no others', async () => {
  const { url, opened } = await withOrders();
  await opened.ledger.close();
  await (await RawTable.of(url)).change(/^store#7$/, { last_number: { S: 'many' } });
  const { ledger, said } = await OpenedLedger.open(url);
  expect(await ledger.commit([order(7n, 'd'), order(8n, 'e')])).toMatchObject([
    { refused: { reason: DAMAGED, message: 'the ledger is damaged: its item store#7 has no number last_number' } },
    { allocation: { storeId: 8n, orderNumber: 100n }, replayed: false },
  ]);
  await expect(ledger.updateStore(7n, { prefix: 'A' })).rejects.toMatchObject({ reason: DAMAGED });
  await expect(ledger.reads.getStore(7n)).rejects.toMatchObject({ reason: DAMAGED });
  expect(said).toEqual([]);
});

/** Three orders of store 7, with all their items. */
async function withOrders() {
  const url = await newTableUrl();
  const opened = await OpenedLedger.open(url);
  await opened.ledger.commit(['a', 'b', 'c'].map((requestId) => order(7n, requestId)));
  await opened.ledger.indexed();
  return { url, opened };
}

function order(storeId: bigint, requestId: string) {
  return { storeId, requestId, count: 1, caller: '' };
}
