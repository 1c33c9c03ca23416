import { expect, it } from 'vitest';
import type { DeclaredLoss } from '../../../src/core/move/contents.ts';
import { compareLosses, COPY_PAGE, firstDifference } from '../../../src/core/move/contents.ts';
import { MemoryContents, ROWS } from './memory-contents.ts';

it('two ledgers with the same contents do not differ, and the progress is reported', async () => {
  const compared: bigint[] = [];
  const difference = await firstDifference(new MemoryContents('FILE'), new MemoryContents('COPY'), (id) =>
    compared.push(id),
  );
  expect(difference).toBeUndefined();
  expect(compared).toEqual([COPY_PAGE, 2 * COPY_PAGE, ROWS].map(BigInt));
});

it.each<[string, (copy: MemoryContents) => void, string]>([
  ['a counter', (copy) => (copy.lastCreateTimeMs = 8n), 'the ledger differs in lastCreateTimeMs: 9 in FILE, 8 in COPY'],
  [
    'a value of the first row',
    ({ allocations: [first] }) => Object.assign(first!, { prefix: '' }),
    'the allocation of order_id 1 differs in prefix: "A" in FILE, "" in COPY',
  ],
  [
    'a value of the last row',
    ({ allocations }) => Object.assign(allocations.at(-1)!, { requestId: 'x' }),
    `the allocation of order_id ${ROWS} differs in requestId: "r${ROWS - 1}" in FILE, "x" in COPY`,
  ],
  [
    'a row that is missing',
    ({ allocations }) => allocations.splice(COPY_PAGE, 1),
    `FILE has the allocation of order_id ${COPY_PAGE + 1}, but COPY has the allocation of order_id ${COPY_PAGE + 2}`,
  ],
  [
    'the last row that is missing',
    ({ allocations }) => allocations.pop(),
    `the allocation of order_id ${ROWS} is in FILE but not in COPY`,
  ],
  [
    'a row too many',
    ({ allocations }) => allocations.push({ ...allocations[0]!, orderId: 99_999n }),
    'the allocation of order_id 99999 is in COPY but not in FILE',
  ],
  [
    'a store',
    ({ stores }) => Object.assign(stores[1]!, { minDigits: 1 }),
    'store 8 differs in minDigits: 0 in FILE, 1',
  ],
  ['a store that is missing', ({ stores }) => stores.pop(), 'store 8 is in FILE but not in COPY'],
  [
    'a loss that is missing',
    ({ losses }) => losses.pop(),
    'the declared loss of the order_numbers of store 7 5 to 6 is in FILE but not in COPY',
  ],
  [
    'a loss',
    ({ losses: [first] }) => Object.assign(first!, { declareTimeMs: 8n }),
    'the declared loss of the order_ids 5 to 6 differs in declareTimeMs: 7 in FILE, 8 in COPY',
  ],
])('%s is named if two ledgers differ', async (_, change, message) => {
  const copy = new MemoryContents('COPY');
  change(copy);
  expect(await firstDifference(new MemoryContents('FILE'), copy, () => {})).toContain(message);
});

it('stores beyond the first page are compared as well', async () => {
  const [file, copy] = [new MemoryContents('FILE'), new MemoryContents('COPY')];
  const [store] = file.stores;
  for (const side of [file, copy])
    side.stores = Array.from({ length: COPY_PAGE + 1 }, (_, i) => ({ ...store!, storeId: BigInt(i + 1) }));
  copy.stores.pop();
  expect(await firstDifference(file, copy, () => {})).toBe(`store ${COPY_PAGE + 1} is in FILE but not in COPY`);
});

it('losses have an order: that of order_ids first, then by store, numbers and time', () => {
  const losses: DeclaredLoss[] = [
    { storeId: undefined, first: 5n, last: 6n, declareTimeMs: 7n },
    { storeId: undefined, first: 5n, last: 6n, declareTimeMs: 8n },
    { storeId: undefined, first: 5n, last: 7n, declareTimeMs: 1n },
    { storeId: undefined, first: 6n, last: 6n, declareTimeMs: 1n },
    { storeId: 7n, first: 1n, last: 1n, declareTimeMs: 1n },
    { storeId: 8n, first: 1n, last: 1n, declareTimeMs: 1n },
  ];
  for (const [i, one] of losses.entries())
    for (const [j, other] of losses.entries()) expect(compareLosses(one, { ...other })).toBe(Math.sign(i - j));
});
