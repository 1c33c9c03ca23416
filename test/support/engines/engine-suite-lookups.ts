import { expect, it } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import { INT64_MAX, newRequestId } from '../../../src/core/allocation.ts';
import type { Ledger } from '../../../src/core/ledger.ts';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import type { NewLedger } from './engine-suite.ts';

/** What every engine promises about lookups, verification and commit listeners. */
export function lookupsSuite(newLedger: NewLedger): void {
  it('any number of a run and its request find it; other numbers find nothing', async () => {
    const ledger = await newLedger().open();
    await allocate(ledger, 7n, 2);
    const run = await allocate(ledger, 7n, 3);
    await allocate(ledger, 8n, 1);
    const { reads } = ledger;
    for (const i of [0n, 1n, 2n]) {
      expect(await reads.getAllocation({ orderId: 3n + i })).toEqual(run);
      expect(await reads.getAllocation({ storeId: 7n, orderNumber: 102n + i })).toEqual(run);
    }
    expect(await reads.getAllocation({ storeId: 7n, requestId: run.requestId })).toEqual(run);
    expect(await reads.getAllocation({ storeId: 8n, requestId: run.requestId })).toBeUndefined();
    expect(await reads.getAllocation({ orderId: 7n })).toBeUndefined();
    expect(await reads.getAllocation({ orderId: INT64_MAX })).toBeUndefined();
    expect(await reads.getAllocation({ storeId: 7n, orderNumber: 105n })).toBeUndefined();
    expect(await reads.getAllocation({ storeId: 7n, orderNumber: 99n })).toBeUndefined();
    expect(await reads.getAllocation({ storeId: 9n, orderNumber: 100n })).toBeUndefined();
  });

  it('the end is that of the last run, of the same ledger', async () => {
    const room = newLedger();
    const ledger = await room.open();
    expect(await ledger.reads.end()).toMatchObject({ lastOrderId: 0n, lastStoreId: 0n });
    await allocate(ledger, 7n, 5);
    const end = await ledger.reads.end();
    expect(end).toMatchObject({ lastOrderId: 5n, lastStoreId: 7n });
    expect(await (await room.open()).reads.end()).toEqual(end);
  });

  it('listeners get new allocations in order, and none after they unsubscribe', async () => {
    const ledger = await newLedger().open();
    const heard: { last: bigint; ids: bigint[] }[] = [];
    const leave = ledger.onCommitted((last, allocations) =>
      heard.push({ last, ids: allocations.map(({ orderId }) => orderId) }),
    );
    const first = { storeId: 7n, count: 2, requestId: newRequestId(), caller: '' };
    await ledger.commit([first]);
    await ledger.commit([first, { storeId: 8n, count: 1, requestId: newRequestId(), caller: '' }]);
    leave();
    await allocate(ledger, 7n, 1);
    expect(heard.filter(({ ids }) => ids.length > 0)).toEqual([
      { last: 2n, ids: [1n] },
      { last: 3n, ids: [3n] },
    ]);
  });

  it('P1 P2: a ledger verifies as a whole and store by store', async () => {
    const ledger = await newLedger().open();
    await allocate(ledger, 7n, 5);
    await allocate(ledger, 8n, 1);
    await allocate(ledger, 7n, 1);
    const events = await verify(ledger, undefined);
    expect(sequences(events)).toEqual([
      [undefined, 1n, 7n, 7n],
      [7n, 100n, 105n, 6n],
      [8n, 100n, 100n, 1n],
    ]);
    expect(events.at(-1)).toEqual({
      kind: 'verdict',
      asOfOrderId: 7n,
      rows: 3n,
      sequences: 3n,
      findings: 0n,
      ok: true,
    });
    const ofOne = await verify(ledger, 7n);
    expect(sequences(ofOne)).toEqual([[7n, 100n, 105n, 6n]]);
    expect(ofOne.at(-1)).toMatchObject({ kind: 'verdict', rows: 2n, sequences: 1n, ok: true });
  });

  it('an empty ledger verifies', async () => {
    const events = await verify(await newLedger().open(), undefined);
    expect(sequences(events)).toEqual([[undefined, 1n, 0n, 0n]]);
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', asOfOrderId: 0n, rows: 0n, ok: true });
  });
}

async function allocate(ledger: Ledger, storeId: bigint, count: number): Promise<Allocation> {
  const [outcome] = await ledger.commit([{ storeId, count, requestId: newRequestId(), caller: '' }]);
  if (!outcome || 'refused' in outcome) throw new Error('the allocation was refused');
  return outcome.allocation;
}

async function verify({ reads }: Ledger, storeId: bigint | undefined): Promise<VerifyEvent[]> {
  const events: VerifyEvent[] = [];
  for await (const event of reads.verify(storeId)) events.push(event);
  return events;
}

function sequences(events: readonly VerifyEvent[]) {
  return events.flatMap((event) =>
    event.kind === 'sequence' ? [[event.storeId, event.first, event.last, event.count]] : [],
  );
}
