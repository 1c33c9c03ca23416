import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { placeText } from '../../../src/core/move/place.ts';
import type { LogChange } from '../../../src/engines/dynamodb/log/log-entry.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { append, withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';

const PLACE = placeText({ name: '/data/orders.db', identity: 'file' });
const REFUSED = {
  reason: 'LEDGER_DAMAGED',
  message: 'the ledger cannot be used until its operator acts',
};
/** So many that one entry does not take them all. */
const MANY = 2500;

it.each<[string, Partial<LogChange>, RegExp]>([
  [
    'has moved away',
    { movedTo: PLACE },
    /lost the table \(the ledger of \S+ has moved to \/data\/orders\.db; serve that one\)/,
  ],
  [
    'is on its way',
    { leavingFor: PLACE },
    /lost the table \(the ledger of \S+ is being moved to \/data\/orders\.db; finish/,
  ],
])('P7: an order that was never put, because the ledger %s, is refused for good', async (_, change, said) => {
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

it('P7: the same goes for a change of a store', async () => {
  const url = await newTableUrl();
  const { ledger } = await OpenedLedger.open(url);
  await withTable(url, (table) => append(table, { movedTo: PLACE }));
  const store = { storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 };
  await expect(ledger.createStore(store)).rejects.toMatchObject(REFUSED);
});

it('P7: a ledger that moves away between two entries of a batch refuses only what was not put', async () => {
  const url = await newTableUrl();
  const moves = async (command: object) => {
    if (!(command instanceof PutItemCommand) || command.input.Item?.['pk']?.S !== 'log#2') return;
    await withTable(url, (table) => append(table, { movedTo: PLACE }));
  };
  const { ledger } = await OpenedLedger.open(url, true, moves);
  const outcomes = await ledger.commit(Array.from({ length: MANY }, (_, i) => order(`${i}`.padStart(128, '-'))));
  const numbered = outcomes.filter((outcome) => 'allocation' in outcome);
  expect(numbered.length).toBeGreaterThan(1000);
  expect(numbered.length).toBeLessThan(MANY);
  for (const outcome of outcomes.slice(numbered.length)) expect(outcome).toMatchObject({ refused: REFUSED });
});

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
