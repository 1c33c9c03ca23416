import { expect, it } from 'vitest';
import type { Allocation, AllocationRequest } from '../../../src/core/allocation.ts';
import type { Ledger, Outcome } from '../../../src/core/ledger.ts';
import type { NewLedger } from './engine-suite.ts';
import { ask } from './ledger-model.ts';
import { listAfter } from './memory-reads.ts';

/** All printable characters that a format between here and the disk may treat in its own way, and the most there may be. */
const ODD = [' ', 'NULL', 'null', "it's", '"', '\\', '\\N', '{a,b}', '{}', '%s $1', 'a.b_c-d', `${'~ '.repeat(31)}~~`];

/** What every engine promises about who took an allocation. */
export function callersSuite(newLedger: NewLedger): void {
  it('an allocation has the caller of its request, and every read tells it', async () => {
    const room = newLedger();
    let ledger = await room.open();
    const heard: Allocation[] = [];
    ledger.onCommitted((_, allocations) => heard.push(...allocations));
    const batch = [by('checkout-eu', 7n), by('', 7n), by('pos', 8n), by('checkout-eu', 8n)];
    const allocations = (await ledger.commit(batch)).map(allocationOf);
    expect(allocations.map(({ caller }) => caller)).toEqual(['checkout-eu', '', 'pos', 'checkout-eu']);
    expect(heard).toEqual(allocations);
    for (const allocation of allocations) expect(await found(ledger, allocation)).toEqual(Array(6).fill(allocation));
    ledger = await room.open();
    for (const allocation of allocations) expect(await found(ledger, allocation)).toEqual(Array(6).fill(allocation));
  });

  it('P5: a replay tells the caller of the original, whoever repeats it', async () => {
    const room = newLedger();
    let ledger = await room.open();
    const batch = [by('first', 7n), by('', 7n), by('third', 8n)];
    const originals = (await ledger.commit(batch)).map(allocationOf);
    for (const caller of ['first', '', 'another']) {
      const repeated = batch.map((request) => Object.assign({}, request, { caller }));
      const fresh = by(caller, 7n);
      const outcomes = await ledger.commit([repeated[0]!, fresh, repeated[1]!, repeated[2]!]);
      const [first, own, second, third] = outcomes;
      expect([first, second, third]).toEqual(originals.map((allocation) => ({ allocation, replayed: true })));
      expect(own).toMatchObject({ replayed: false, allocation: { caller, requestId: fresh.requestId } });
      ledger = await room.open();
    }
    expect((await listAfter(ledger, 0n, 3)).map(({ caller }) => caller)).toEqual(['first', '', 'third']);
  });

  it('a caller is kept exactly', async () => {
    const ledger = await newLedger().open();
    const batch = ODD.map((caller) => by(caller, 7n));
    const allocations = (await ledger.commit(batch)).map(allocationOf);
    expect(allocations.map(({ caller }) => caller)).toEqual(ODD);
    expect(await listAfter(ledger, 0n, ODD.length)).toEqual(allocations);
    expect((await ledger.commit(batch)).map(allocationOf)).toEqual(allocations);
  });
}

function by(caller: string, storeId: bigint): AllocationRequest {
  return { ...ask(storeId), caller };
}

function allocationOf(outcome: Outcome): Allocation {
  if ('refused' in outcome) throw outcome.refused;
  return outcome.allocation;
}

/** The same allocation as each of the reads tells it. */
async function found({ reads }: Ledger, { orderId, storeId, orderNumber, requestId }: Allocation) {
  const range = { afterOrderId: orderId - 1n, upToOrderId: orderId, limit: 1 };
  const listed = await Promise.all([
    reads.listAllocations({ ...range, storeId: undefined }),
    reads.listAllocations({ ...range, storeId: undefined, newestFirst: true }),
    reads.listAllocations({ ...range, storeId }),
  ]);
  return [
    await reads.getAllocation({ orderId }),
    await reads.getAllocation({ storeId, orderNumber }),
    await reads.getAllocation({ storeId, requestId }),
    ...listed.flat(),
  ];
}
