import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { placeText } from '../../../src/core/move/place.ts';
import type { LogChange } from '../../../src/engines/dynamodb/log/log-entry.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { append, withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';

const PLACE = placeText({ name: '/data/orders.db', identity: 'file' });
const REFUSED = {
  reason: 'LEDGER_REOPENING',
  message: 'the ledger is being opened; retry',
};
const STORE = { storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 };
/** So many that one entry does not take them all. */
const MANY = 2500;

it.each<[string, Partial<LogChange>, RegExp]>([
  [
    'has moved away',
    { movedTo: PLACE },
    /closed the log \(the ledger of \S+ has moved to \/data\/orders\.db; serve that one\)/,
  ],
  [
    'is on its way',
    { leavingFor: PLACE },
    /closed the log \(the ledger of \S+ is being moved to \/data\/orders\.db; finish/,
  ],
])('P7: an order that was never put, because the ledger %s, is told to retry', async (_, change, said) => {
  const url = await newTableUrl();
  const idle = await OpenedLedger.open(url);
  await withTable(url, (table) => append(table, change));
  expect(await idle.ledger.commit([order('a'), order('b')])).toMatchObject([
    { refused: REFUSED },
    { refused: REFUSED },
  ]);
  await idle.says(said);
  expect(idle.reasons).not.toContain('database unreachable');
});

it.each(['', ', also of one that would be refused'])('P7: the same goes for a write of a store%s', async (exists) => {
  const url = await newTableUrl();
  const opened = await OpenedLedger.open(url);
  if (exists) await opened.ledger.createStore(STORE);
  await withTable(url, (table) => append(table, { movedTo: PLACE }));
  await expect(opened.ledger.createStore(STORE)).rejects.toMatchObject(REFUSED);
  expect(opened.reasons).not.toContain('database unreachable');
});

it('P7: an order that was numbered before its ledger moved away is not refused for good', async () => {
  const url = await newTableUrl();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit([order('a')]);
  await withTable(url, (table) => append(table, { movedTo: PLACE }));
  expect(await ledger.commit([order('b'), order('a')])).toMatchObject([{ refused: REFUSED }, { refused: REFUSED }]);
});

it('P7: a ledger that moves away between two entries of a batch refuses only what was not put', async () => {
  const url = await newTableUrl();
  const moves = async (command: object) => {
    if (!(command instanceof PutItemCommand) || command.input.Item?.['pk']?.S !== 'log#2') return;
    await withTable(url, (table) => append(table, { movedTo: PLACE }));
  };
  const { ledger } = await OpenedLedger.open(url, true, moves);
  const outcomes = await ledger.commit(Array.from({ length: MANY }, (_, i) => order(`${i}`.padStart(128, '-'))));
  expect(outcomes).toHaveLength(MANY);
  const numbered = outcomes.filter((outcome) => 'allocation' in outcome).length;
  expect(numbered).toBeGreaterThan(1000);
  expect(numbered).toBeLessThan(MANY);
  for (const [i, outcome] of outcomes.entries()) {
    expect(outcome).toMatchObject(i < numbered ? { allocation: { orderId: BigInt(i + 1) } } : { refused: REFUSED });
  }
});

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
