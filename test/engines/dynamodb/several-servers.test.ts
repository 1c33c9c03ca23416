import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import type { Outcome } from '../../../src/core/ledger.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';

const SERVERS = 8;
const BATCHES = 6;
const STORES = 3;

it('P1 P2 P5: eight servers race for every position, with copies of each request on two of them', async () => {
  const url = await newTableUrl();
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => OpenedLedger.open(url)));
  const outcomes = new Map<string, Outcome[]>();
  const run = async ({ ledger }: OpenedLedger, server: number) => {
    for (let batch = 0; batch < BATCHES; batch++) {
      await ledger.ready();
      const requests = requestsOf(server, batch);
      for (const [i, outcome] of (await ledger.commit(requests)).entries()) {
        const { requestId } = requests[i]!;
        outcomes.set(requestId, [...(outcomes.get(requestId) ?? []), outcome]);
      }
    }
  };
  await Promise.all(servers.map(run));

  expect(outcomes.size).toBe(SERVERS * BATCHES);
  for (const copies of outcomes.values()) {
    const allocations = copies.map((outcome) => ('allocation' in outcome ? outcome.allocation : outcome));
    expect(allocations).toEqual([allocations[0], allocations[0]]);
    expect(copies.map((outcome) => 'replayed' in outcome && outcome.replayed).toSorted()).toEqual([false, true]);
  }
  expect(await DYNAMODB.assertDense(url)).toHaveLength(SERVERS * BATCHES);
  // Every server has the whole log, whoever wrote it.
  const ends = await Promise.all(servers.map(({ ledger }) => ledger.reads.end()));
  expect(new Set(ends.map(({ lastOrderId }) => lastOrderId))).toEqual(new Set([BigInt(SERVERS * BATCHES)]));
});

it('what a server that is gone has left without derived items is completed by the next one', async () => {
  const url = await newTableUrl();
  const first = await OpenedLedger.open(url);
  const requests = requestsOf(0, 0);
  const before = await first.ledger.commit(requests);
  const second = await OpenedLedger.open(url);
  const again = await second.ledger.commit(requests);
  expect(again.map((outcome) => 'replayed' in outcome && outcome.replayed)).toEqual([true, true]);
  expect(again).toMatchObject(
    before.map((outcome) => ('allocation' in outcome ? { allocation: outcome.allocation } : {})),
  );
  await second.ledger.indexed();
  const events = [];
  for await (const event of second.ledger.reads.verify(undefined)) events.push(event);
  expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
});

it('P2: a change of a store on one server counts for the next order on another', async () => {
  const url = await newTableUrl();
  const [one, other] = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  await one.ledger.createStore({ storeId: 7n, firstNumber: 5n, prefix: 'A', suffix: '', minDigits: 0 });
  const [first] = await other.ledger.commit([{ storeId: 7n, requestId: 'a', count: 1, caller: '' }]);
  expect(first).toMatchObject({ allocation: { orderNumber: 5n, prefix: 'A' } });
  await one.ledger.updateStore(7n, { prefix: 'B' });
  const [second] = await other.ledger.commit([{ storeId: 7n, requestId: 'b', count: 1, caller: '' }]);
  expect(second).toMatchObject({ allocation: { orderNumber: 6n, prefix: 'B' } });
  expect(await other.ledger.reads.getStore(7n)).toMatchObject({ prefix: 'B', lastNumber: 6n });
});

it('P6: what nobody waits for any more is not numbered anew after a lost race, and burns nothing', async () => {
  const url = await newTableUrl();
  const [one, other] = [await OpenedLedger.open(url), await OpenedLedger.open(url)];
  await one.ledger.createStore({ storeId: 7n, firstNumber: 100n, prefix: '', suffix: '', minDigits: 0 });
  // This server has not seen the store yet, so its first put finds the position taken.
  let asked = 0;
  const wantedOnce = (index: number) => index === 1 || asked++ === 0;
  const requests = ['cancelled', 'kept'].map((requestId) => ({ storeId: 7n, requestId, count: 1, caller: '' }));
  const [cancelled, kept] = await other.ledger.commit(requests, wantedOnce);
  expect(asked).toBe(2);
  expect(cancelled).toMatchObject({ refused: { reason: 'CANCELLED' } });
  expect(kept).toMatchObject({ allocation: { orderId: 1n, orderNumber: 100n } });
  expect(await DYNAMODB.assertDense(url)).toHaveLength(1);
});

/** Those of a server and those of the one before it are the same. */
function requestsOf(server: number, batch: number): AllocationRequest[] {
  return [server, (server + SERVERS - 1) % SERVERS].map((owner) => {
    const storeId = BigInt(1 + ((owner + batch) % STORES));
    return { storeId, requestId: `${owner}-${batch}`, count: 1, caller: '' };
  });
}
