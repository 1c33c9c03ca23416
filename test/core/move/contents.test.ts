import { expect, it } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { DeclaredLoss, LedgerContents, LedgerCounters } from '../../../src/core/move/contents.ts';
import { COPY_PAGE, firstDifference } from '../../../src/core/move/contents.ts';
import type { Store } from '../../../src/core/store.ts';

/** Two pages and a half. */
const ROWS = 2.5 * COPY_PAGE;
const STYLE = { prefix: 'A', suffix: '', minDigits: 0 };

function newStore(storeId: bigint): Store {
  return { storeId, firstNumber: 100n, lastNumber: 99n, createTimeMs: 5, ...STYLE };
}

class Contents implements LedgerContents {
  readonly name: string;
  lastCreateTimeMs = 9n;
  allocations: Allocation[] = Array.from({ length: ROWS }, (_, i) => ({
    orderId: BigInt(i + 1),
    storeId: 7n,
    orderNumber: BigInt(i + 100),
    count: 1,
    requestId: `r${i}`,
    createTimeMs: 5,
    ...STYLE,
  }));
  stores: Store[] = [newStore(7n), newStore(8n)];
  losses: DeclaredLoss[] = [
    { storeId: undefined, first: 5n, last: 6n, declareTimeMs: 7n },
    { storeId: 7n, first: 5n, last: 6n, declareTimeMs: 7n },
  ];

  constructor(name: string) {
    this.name = name;
  }

  async counters(): Promise<LedgerCounters> {
    const { lastCreateTimeMs } = this;
    return { ledgerId: 'one', firstOrderId: 1n, lastOrderId: BigInt(ROWS), lastCreateTimeMs };
  }

  async allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.allocations.filter((allocation) => allocation.orderId > orderId).slice(0, limit);
  }

  async storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.stores.filter((store) => store.storeId > storeId).slice(0, limit);
  }

  async declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.losses;
  }
}

it('two ledgers with the same contents do not differ, and it tells how far it is', async () => {
  const compared: bigint[] = [];
  const difference = await firstDifference(new Contents('FILE'), new Contents('COPY'), (id) => compared.push(id));
  expect(difference).toBeUndefined();
  expect(compared).toEqual([COPY_PAGE, 2 * COPY_PAGE, ROWS].map(BigInt));
});

it.each<[string, (copy: Contents) => void, string]>([
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
    `FILE has the allocation of order_id ${COPY_PAGE + 1} where COPY has the allocation of order_id ${COPY_PAGE + 2}`,
  ],
  [
    'the last row that is missing',
    ({ allocations }) => allocations.pop(),
    `the allocation of order_id ${ROWS} is in FILE and not in COPY`,
  ],
  [
    'a row too many',
    ({ allocations }) => allocations.push({ ...allocations[0]!, orderId: 99_999n }),
    'the allocation of order_id 99999 is in COPY and not in FILE',
  ],
  [
    'a store',
    ({ stores }) => Object.assign(stores[1]!, { minDigits: 1 }),
    'store 8 differs in minDigits: 0 in FILE, 1',
  ],
  ['a store that is missing', ({ stores }) => stores.pop(), 'store 8 is in FILE and not in COPY'],
  [
    'a loss that is missing',
    ({ losses }) => losses.pop(),
    'the declared loss of the order_numbers of store 7 5 to 6 is in FILE and not in COPY',
  ],
  [
    'a loss',
    ({ losses: [first] }) => Object.assign(first!, { declareTimeMs: 8n }),
    'the declared loss of the order_ids 5 to 6 differs in declareTimeMs: 7 in FILE, 8 in COPY',
  ],
])('%s is named where two ledgers differ', async (_, change, message) => {
  const copy = new Contents('COPY');
  change(copy);
  expect(await firstDifference(new Contents('FILE'), copy, () => {})).toContain(message);
});
