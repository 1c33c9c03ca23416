import { describe, expect, it } from 'vitest';
import type { Allocated } from '../../../src/client/index.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { newServer } from '../../support/processes/local-server.ts';
import { clientOf } from '../fake-server.ts';

const STORES = 7;
/** As long as a request_id may be. */
const KEY_LENGTH = 128;

describe.each(ENGINES)('combined calls on $name', (engine) => {
  it('P1 P2 P3: each caller gets its own pair, in the order of the requests, with the longest keys', async () => {
    const ledger = await engine.newLedger();
    const client = clientOf(await newServer(ledger).serving());
    // One call, then several at the same time.
    for (const callers of [20, 2_500]) {
      const keys = Array.from({ length: callers }, (_, i) => `${callers}-${i}`.padEnd(KEY_LENGTH, '~'));
      const answers = await Promise.all(
        keys.map((requestId, i) => client.allocate({ storeId: 1 + (i % STORES), count: 1 + (i % 3), requestId })),
      );
      expect(answers.map(({ requestId, storeId, count }) => [requestId, storeId, count])).toEqual(
        keys.map((requestId, i) => [requestId, BigInt(1 + (i % STORES)), 1 + (i % 3)]),
      );
      expect(answers.some(({ replayed }) => replayed)).toBe(false);
      if (callers === 20) expectRising(answers);
    }
    expect(await engine.assertDense(ledger)).toHaveLength(2_520);
  });

  it('P5 P7: one caller is refused, and two with the same key get the same pair, as they would alone', async () => {
    const ledger = await engine.newLedger();
    const client = clientOf(await newServer(ledger).serving());
    const [first, refused, copy, mismatch, last] = await Promise.allSettled([
      client.allocate({ storeId: 1, requestId: 'a' }),
      client.allocate({ storeId: 0, requestId: 'b' }),
      client.allocate({ storeId: 1, requestId: 'a' }),
      client.allocate({ storeId: 1, requestId: 'a', count: 2 }),
      client.allocate({ storeId: 1, requestId: 'c' }),
    ]);
    expect(first).toMatchObject({ value: { orderId: 1n, orderNumber: 100n, replayed: false } });
    expect(refused).toMatchObject({ reason: { reason: 'STORE_ID_INVALID', requestId: 'b', outcome: 'refused' } });
    expect(copy).toMatchObject({ value: { orderId: 1n, orderNumber: 100n, replayed: true } });
    expect(mismatch).toMatchObject({ reason: { reason: 'REQUEST_ID_MISMATCH', outcome: 'refused' } });
    expect(last).toMatchObject({ value: { orderId: 2n, orderNumber: 101n, replayed: false } });
    expect(await engine.assertDense(ledger)).toHaveLength(2);
  });
});

/** Inside each store both numbers rise, in the order of the answers. */
function expectRising(answers: readonly Allocated[]): void {
  for (const ofStore of Map.groupBy(answers, ({ storeId }) => storeId).values()) {
    for (const name of ['orderId', 'orderNumber'] as const) {
      const numbers = ofStore.map((answer) => answer[name]);
      expect(numbers).toEqual(numbers.toSorted((a, b) => Number(a - b)));
    }
  }
}
