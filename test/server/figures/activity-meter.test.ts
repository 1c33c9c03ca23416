import { expect, it } from 'vitest';
import type { Activity } from '../../../src/server/figures/activity-meter.ts';
import { ActivityMeter } from '../../../src/server/figures/activity-meter.ts';

const ALLOCATE = { name: 'AllocateOrder', verb: 'allocate' } as const;
const LOOKUP = { name: 'GetAllocation', verb: 'read' } as const;
const BATCH = { allocated: 3, replayed: 1, createTimeMs: 0, ms: 2 };

it('counts what was numbered, replayed and refused in an interval, and begins the next one at zero', () => {
  const meter = new ActivityMeter();
  meter.start();
  meter.committed(BATCH);
  meter.committed({ ...BATCH, allocated: 0, replayed: 4 });
  meter.ended('grpc', ALLOCATE, 'OK', 1);
  meter.ended('http', ALLOCATE, 'QUEUE_FULL', 1);
  meter.ended('grpc', LOOKUP, 'ALLOCATION_NOT_FOUND', 1);
  meter.requestsEnded('grpc', 'OK', 100);
  meter.requestsEnded('grpc', 'STORE_NOT_FOUND', 7);
  expect(countsOf(meter.next())).toEqual({ allocations: 3, replays: 5, refusals: 8, batches: 2, batchSize: 4 });
  expect(countsOf(meter.next())).toEqual({ allocations: 0, replays: 0, refusals: 0, batches: 0, batchSize: undefined });
});

it('has percentiles of the calls for numbers and of the commits, within 1 %, and none if there were none', () => {
  const meter = new ActivityMeter();
  meter.start();
  for (let ms = 1; ms <= 1000; ms++) {
    meter.ended('grpc', ALLOCATE, 'OK', ms);
    meter.committed({ ...BATCH, ms: ms / 1000 });
  }
  // Neither a watch that lasted a day nor a call without a duration spoils them.
  meter.ended('grpc', { name: 'WatchAllocations', verb: 'read' }, 'CANCELLED', 86_400_000);
  meter.ended('grpc', ALLOCATE, 'OK', 0);
  const { callP50Ms, callP99Ms, commitP50Ms, commitP99Ms } = meter.next();
  expect({ callP50Ms, callP99Ms, commitP50Ms, commitP99Ms }).toEqual({
    callP50Ms: near(500),
    callP99Ms: near(990),
    commitP50Ms: near(0.5),
    commitP99Ms: near(0.99),
  });
  const none = { callP50Ms: undefined, callP99Ms: undefined, commitP50Ms: undefined, commitP99Ms: undefined };
  expect(meter.next()).toMatchObject(none);
});

it('keeps nothing before it is started and after it is stopped', () => {
  const meter = new ActivityMeter();
  const happen = () => {
    meter.committed(BATCH);
    meter.ended('grpc', ALLOCATE, 'QUEUE_FULL', 1);
    meter.requestsEnded('grpc', 'QUEUE_FULL', 1);
  };
  happen();
  meter.start();
  expect(countsOf(meter.next())).toMatchObject({ allocations: 0, refusals: 0 });
  happen();
  meter.stop();
  happen();
  expect(() => meter.next()).toThrow('was not started');
  meter.start();
  expect(countsOf(meter.next())).toMatchObject({ allocations: 0, refusals: 0 });
});

/** Within 1 %. */
function near(ms: number): unknown {
  return expect.toSatisfy((found: number) => Math.abs(found - ms) <= ms / 100);
}

/** The rates as numbers of requests. */
function countsOf({ seconds, batchSize, ...rates }: Activity) {
  return {
    allocations: Math.round(rates.allocationsPerSecond * seconds),
    replays: Math.round(rates.replaysPerSecond * seconds),
    refusals: Math.round(rates.refusalsPerSecond * seconds),
    batches: Math.round(rates.batchesPerSecond * seconds),
    batchSize,
  };
}
