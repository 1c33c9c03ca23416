import * as fc from 'fast-check';
import type { Allocation } from '../../../../src/core/allocation.ts';
import { INT64_MAX, MAX_COUNT } from '../../../../src/core/allocation.ts';
import type { Store } from '../../../../src/core/store.ts';
import type { LogEntry } from '../../../../src/engines/dynamodb/log/log-entry.ts';

const printable = (first: string, maxLength: number, minLength = 0) =>
  fc.string({
    unit: fc.integer({ min: first.charCodeAt(0), max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength,
    maxLength,
  });
const AFFIX = printable(' ', 32);
const TIME = fc.integer({ min: 0, max: 8_640_000_000_000_000 });
const INT64 = fc.bigInt({ min: 1n, max: INT64_MAX });

const STORE = fc.record({
  storeId: INT64,
  firstNumber: INT64,
  createTimeMs: TIME,
  prefix: AFFIX,
  suffix: AFFIX,
  minDigits: fc.integer({ min: 0, max: 19 }),
});
const ROW = fc.record({
  store: fc.nat(),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: MAX_COUNT })),
  requestId: printable('!', 128, 1),
  caller: printable(' ', 64),
  beforeMs: fc.nat(1000),
});

/** Entries of a log as servers write them: their numbers end at the counters, and have no hole. */
export const ENTRY: fc.Arbitrary<LogEntry> = fc
  .record({
    stores: fc.uniqueArray(STORE, { selector: ({ storeId }) => storeId, minLength: 1, maxLength: 8 }),
    rows: fc.uniqueArray(ROW, { selector: ({ requestId }) => requestId, maxLength: 12 }),
    given: fc.bigInt({ min: 0n, max: INT64_MAX }),
    created: fc.nat(8),
    position: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    createTimeMs: TIME.map((time) => time + 1000),
    lastOrderId: INT64,
    ends: fc.record({ isMoving: fc.boolean(), movedTo: fc.option(fc.webUrl(), { nil: undefined }) }),
  })
  .map(({ stores, rows, given, created, position, createTimeMs, lastOrderId, ends }) => {
    const after = stores.map((store, i) =>
      afterwards(
        store,
        rows.filter((row) => row.store % stores.length === i),
        given,
      ),
    );
    const numbers = rows.reduce((sum, { count }) => sum + BigInt(count), 0n);
    const end = lastOrderId < numbers ? numbers : lastOrderId;
    return {
      position,
      previous: crypto.randomUUID(),
      batchId: crypto.randomUUID(),
      server: crypto.randomUUID(),
      indexedTo: position - 1,
      putMs: 5,
      lostRaces: 1,
      lastOrderId: end,
      createTimeMs,
      stores: after,
      created: new Set(after.slice(0, created).map(({ storeId }) => storeId)),
      allocations: allocationsOf(rows, after, end - numbers, createTimeMs),
      losses: [],
      isMoving: ends.isMoving,
      leavingFor: undefined,
      movedTo: ends.movedTo,
    };
  });

/** A store that has these rows at its end, after others. */
function afterwards(store: Omit<Store, 'lastNumber'>, rows: readonly Row[], given: bigint): Store {
  const added = rows.reduce((sum, { count }) => sum + BigInt(count), 0n);
  const before = store.firstNumber - 1n + (given % (INT64_MAX - store.firstNumber + 1n));
  const lastNumber = before + added > INT64_MAX ? INT64_MAX : before + added;
  const first = lastNumber - added + 1n;
  return { ...store, firstNumber: first < store.firstNumber ? first : store.firstNumber, lastNumber };
}

type Row = typeof ROW extends fc.Arbitrary<infer Value> ? Value : never;

function allocationsOf(
  rows: readonly Row[],
  stores: readonly Store[],
  before: bigint,
  createTimeMs: number,
): Allocation[] {
  const next = stores.map(({ lastNumber }, i) => {
    const ofStore = rows.filter(({ store }) => store % stores.length === i);
    return ofStore.reduce((number, { count }) => number - BigInt(count), lastNumber + 1n);
  });
  let orderId = before + 1n;
  return rows.map(({ store, count, requestId, caller, beforeMs }) => {
    const i = store % stores.length;
    const { storeId, prefix, suffix, minDigits } = stores[i]!;
    const allocation = { storeId, requestId, count, caller, orderId, orderNumber: next[i]!, prefix, suffix, minDigits };
    orderId += BigInt(count);
    next[i]! += BigInt(count);
    return { ...allocation, createTimeMs: createTimeMs - beforeMs };
  });
}
