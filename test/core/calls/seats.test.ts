import { expect, it } from 'vitest';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import type { Allocator } from '../../../src/core/allocator.ts';
import { BatchCall } from '../../../src/core/calls/batch-call.ts';
import type { Allocated, Caller } from '../../../src/core/calls/caller.ts';
import { OrderError } from '../../../src/core/errors.ts';

const NUMBERED = { replayed: false } as Allocated;
const REFUSED = new OrderError('STORE_NOT_FOUND', 'no');
const SIGNAL = { aborted: false };

/** A call of so many requests, and what it has handed to the allocator, which answers nothing by itself. */
function open(size: number) {
  const requests = Array.from({ length: size }, (_, i) => ({ storeId: 7n, count: 1, requestId: `r${i}`, caller: '' }));
  const seats: Caller[] = [];
  const asked: AllocationRequest[] = [];
  const state = { isDraining: false };
  const enqueue = (request: AllocationRequest, seat: Caller) => {
    asked.push(request);
    seats.push(seat);
  };
  const allocator = { ...state, enqueue } as unknown as Allocator;
  const call = new BatchCall(requests, SIGNAL, 'shop');
  return { call, requests, seats, asked, allocator };
}

function ended(requests: number) {
  return { requests, formedAt: 5, ms: 7 };
}

it('each request has a seat of its own, which answers once and for its place', async () => {
  const { call, requests, seats, asked, allocator } = open(3);
  const places: number[] = [];
  call.allocate(allocator, (request, place) => void places.push(place, requests.indexOf(request as never)));
  expect(places).toEqual([0, 0, 1, 1, 2, 2]);
  expect(asked).toEqual(requests);
  expect(seats.map(({ signal, origin }) => [signal, origin])).toEqual(seats.map(() => [SIGNAL, 'shop']));
  expect([call.size, call.isAnswered, call.lastBatch]).toEqual([3, false, undefined]);
  seats[1]!.resolve(NUMBERED, ended(1));
  expect(call.lastBatch).toEqual(ended(1));
  // Refused before a batch had it: the last batch stays.
  seats[2]!.reject(REFUSED);
  expect(call.lastBatch).toEqual(ended(1));
  seats[2]!.resolve(NUMBERED, ended(2));
  expect([call.lastBatch, call.isAnswered]).toEqual([ended(1), false]);
  seats[0]!.reject(REFUSED, ended(3));
  expect([call.lastBatch, call.isAnswered]).toEqual([ended(3), true]);
  expect(await call.answers).toEqual([REFUSED, NUMBERED, REFUSED]);
});

it('what a check refuses is the answer to that request alone, and anything else that it throws ends the call', async () => {
  const { call, seats, asked, allocator } = open(2);
  call.allocate(allocator, (_, place) => {
    if (place === 0) throw REFUSED;
  });
  expect(asked.map(({ requestId }) => requestId)).toEqual(['r1']);
  seats[0]!.resolve(NUMBERED, ended(1));
  expect(await call.answers).toEqual([REFUSED, NUMBERED]);
  const failed = open(1);
  const fault = new TypeError('a fault');
  const fail = () => {
    throw fault;
  };
  expect(() => failed.call.allocate(failed.allocator, fail)).toThrow(fault);
});

it('P7: what is given up is cancelled before it has begun, and unknown from then on', async () => {
  const waiting = open(1);
  waiting.call.giveUp();
  expect(await waiting.call.answers).toMatchObject([{ reason: 'CANCELLED' }]);
  const begun = open(2);
  begun.call.allocate(begun.allocator, () => {});
  begun.seats[0]!.resolve(NUMBERED, ended(1));
  begun.call.giveUp();
  expect(await begun.call.answers).toMatchObject([
    { replayed: false },
    { reason: 'OUTCOME_UNKNOWN', fields: { request_id: 'r1' } },
  ]);
});

it('P6: a call has 1 to 1,000 requests, and none begins while the allocator drains', () => {
  for (const size of [0, 1001]) {
    expect(() => open(size)).toThrow(expect.objectContaining({ reason: 'BATCH_SIZE_INVALID' }));
  }
  for (const size of [1, 1000]) expect(open(size).call.size).toBe(size);
  const { call, seats, allocator } = open(1);
  Object.assign(allocator, { isDraining: true });
  expect(() => call.allocate(allocator, () => {})).toThrow(expect.objectContaining({ reason: 'DRAINING' }));
  expect(seats).toEqual([]);
});
