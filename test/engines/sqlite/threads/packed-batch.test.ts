import { expect, it } from 'vitest';
import type { Allocation, AllocationRequest } from '../../../../src/core/allocation.ts';
import type { BatchOutcome } from '../../../../src/engines/sqlite/statements/batch-transaction.ts';
import {
  packOutcomes,
  packRequests,
  unpackOutcomes,
  unpackRequests,
} from '../../../../src/engines/sqlite/threads/packed-batch.ts';

const LONGEST = `${' !~'.repeat(21)}x`;

function ask(caller: string, i: number): AllocationRequest {
  return { storeId: 7n, requestId: `r${i}`, count: 1, caller };
}

function given(request: AllocationRequest, i: number): Allocation {
  const style = { prefix: 'A-', suffix: '', minDigits: 6 };
  return { ...request, orderId: BigInt(i + 1), orderNumber: BigInt(i + 100), createTimeMs: 5, ...style };
}

it.each([
  ['nobody has a name', ['', '', '']],
  ['each has one', ['a', 'b', LONGEST]],
  ['some have one', ['', 'b', '']],
  ['only the last has one', ['', '', 'c']],
  ['there is one request, without a name', ['']],
  ['there is one request', ['a']],
])('the requests of a batch keep their callers if %s', (_, callers) => {
  const batch = callers.map(ask);
  expect(unpackRequests(packRequests(batch))).toEqual(batch);
});

it('a batch in which nobody has a name carries no names', () => {
  const batch = Array.from({ length: 1000 }, (_, i) => ask('', i));
  expect(packRequests(batch).callers).toBe('');
  const outcomes = batch.map((request, i) => ({ allocation: given(request, i), replayed: false }));
  expect(packOutcomes(outcomes).originalCallers).toBe('');
});

it('P5: a replay tells the caller of its row, and a new allocation that of its request', () => {
  const batch = ['now', 'now', 'now', '', 'now'].map(ask);
  const before = (i: number, caller: string) => ({
    allocation: given({ ...batch[i]!, caller }, i),
    replayed: true,
  });
  const outcomes: BatchOutcome[] = [
    before(0, 'then'),
    { allocation: given(batch[1]!, 1), replayed: false },
    'exhausted',
    before(3, ''),
    before(4, LONGEST),
  ];
  expect(unpackOutcomes(packOutcomes(outcomes), batch)).toMatchObject([
    { allocation: { caller: 'then', requestId: 'r0' }, replayed: true },
    { allocation: { caller: 'now', requestId: 'r1' }, replayed: false },
    { refused: { reason: 'SEQUENCE_EXHAUSTED' } },
    { allocation: { caller: '', requestId: 'r3' }, replayed: true },
    { allocation: { caller: LONGEST, requestId: 'r4' }, replayed: true },
  ]);
});

it('P1 P2: each outcome keeps its own numbers and style, beside replays and refusals', () => {
  const batch = Array.from({ length: 5 }, (_, i) => ({
    storeId: BigInt(i + 7),
    requestId: `r${i}`,
    count: i + 1,
    caller: '',
  }));
  const outcomes = batch.map((request, i): BatchOutcome =>
    i === 1
      ? 'store not found'
      : {
          allocation: {
            ...given(request, i),
            prefix: `P${i}-`,
            suffix: `-S${i}`,
            minDigits: i,
            createTimeMs: 1000 + i,
          },
          replayed: i === 3,
        },
  );
  const unpacked = unpackOutcomes(packOutcomes(outcomes), batch);
  expect(unpacked).toHaveLength(batch.length);
  expect(unpacked.toSpliced(1, 1)).toEqual(outcomes.toSpliced(1, 1));
  expect(unpacked[1]).toMatchObject({ refused: { reason: 'STORE_NOT_FOUND', fields: { store_id: '8' } } });
});

it('a damaged row gives no other row of its batch its caller', () => {
  const batch = ['now', 'now'].map(ask);
  const outcomes = ['one\ntwo\n', 'then'].map((caller, i) => ({
    allocation: given({ ...batch[i]!, caller }, i),
    replayed: true,
  }));
  expect(unpackOutcomes(packOutcomes(outcomes), batch)).toMatchObject([
    { allocation: { caller: 'one two ' } },
    { allocation: { caller: 'then' } },
  ]);
});

it('a damaged row gives no other row of its batch its style', () => {
  const batch = ['', ''].map(ask);
  const outcomes = ['one\ntwo\n', 'A-'].map((prefix, i) => ({
    allocation: { ...given(batch[i]!, i), prefix, suffix: '\n' },
    replayed: true,
  }));
  expect(unpackOutcomes(packOutcomes(outcomes), batch)).toMatchObject([
    { allocation: { prefix: 'one two ', suffix: ' ' } },
    { allocation: { prefix: 'A-', suffix: ' ' } },
  ]);
});
