import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import { storeNotFound } from '../../../../src/core/refusals.ts';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import type { Session } from '../../../../src/engines/postgres/connection/session.ts';
import { allocate, asSentBefore } from '../../../../src/engines/postgres/statements/allocate-call.ts';
import { numberArray } from '../../../../src/engines/postgres/statements/array-text.ts';
import { confirm, confirmInTime } from '../../../../src/engines/postgres/statements/confirm-call.ts';
import { toAllocations, toStores } from '../../../../src/engines/postgres/statements/rows.ts';
import { changeStore, createStore } from '../../../../src/engines/postgres/statements/store-calls.ts';

afterEach(() => {
  vi.useRealTimers();
});

interface Query {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
  readonly rowMode?: string;
}

/** A session whose server answers with these rows, as a server does that is wrong in a way that no real one can be made. */
function answering(rows: readonly unknown[], { isShared = false, standbyNames = '' } = {}) {
  const queries: Query[] = [];
  const backends: number[] = [];
  const session = {
    server: 'db1:5432',
    state: { standbyNames },
    ledgerId: 'ledger-1',
    timeline: 4,
    isShared,
    ranOn: (backend: number) => backends.push(backend),
    write: async (query: Query) => {
      queries.push(query);
      return rows;
    },
  } as unknown as Session;
  return { session, queries, backends };
}

function ask(storeId: bigint, requestId: string, count = 1, caller = ''): AllocationRequest {
  return { storeId, requestId, count, caller };
}

/** A row of an answer, with the end of the ledger in the last one. */
function told(item: number, outcome: string, request: AllocationRequest, orderId: bigint, isLast = false) {
  const end = isLast ? [99, 20n, 3n] : [null, null, null];
  const { count, caller } = request;
  return [item, ...end, outcome, orderId, orderId + 100n, count, 5n, 'A-', '/7', 6, caller];
}

function allocated(request: AllocationRequest, orderId: bigint) {
  return {
    ...request,
    orderId,
    orderNumber: orderId + 100n,
    createTimeMs: 5,
    prefix: 'A-',
    suffix: '/7',
    minDigits: 6,
  };
}

describe('a batch', () => {
  const batch = [ask(7n, 'a'), ask(8n, 'b', 2), ask(9n, 'c'), ask(7n, 'd')];
  const rows = [
    told(2, 'replay', batch[1]!, 2n),
    told(1, 'new', batch[0]!, 1n),
    told(3, 'no store', batch[2]!, 0n),
    told(4, 'exhausted', batch[3]!, 0n, true),
  ];

  it('is one statement with arrays, and its outcomes are in its order', async () => {
    const { session, queries, backends } = answering(rows);
    const { outcomes, ...point } = await allocate(session, batch, true);
    expect(point).toEqual({ lastOrderId: 20n, version: 3n, timeline: 4 });
    expect(backends).toEqual([99]);
    expect(outcomes).toEqual([
      { allocation: allocated(batch[0]!, 1n), replayed: false },
      { allocation: allocated(batch[1]!, 2n), replayed: true },
      { refused: expect.objectContaining({ reason: 'STORE_NOT_FOUND', fields: { store_id: '9' } }) as unknown },
      { refused: expect.objectContaining({ reason: 'SEQUENCE_EXHAUSTED', fields: { store_id: '7' } }) as unknown },
    ]);
    expect(queries).toMatchObject([
      {
        name: 'allocate',
        rowMode: 'array',
        values: ['{7,8,9,7}', ['a', 'b', 'c', 'd'], '{1,2,1,1}', [], true, 'ledger-1'],
      },
    ]);
    expect(queries[0]!.text).toContain('order_numbers.allocate_for(');
  });

  it('has its callers if one of them has a name', async () => {
    const named = [ask(7n, 'a'), ask(7n, 'b', 1, 'shop')];
    const { session, queries } = answering([told(1, 'new', named[0]!, 1n), told(2, 'new', named[1]!, 2n, true)]);
    await allocate(session, named, false);
    expect(queries[0]!.values.slice(3)).toEqual([['', 'shop'], false, 'ledger-1']);
  });

  it('of one request is the smaller statement', async () => {
    const one = ask(7n, 'a', 3, 'shop');
    const { session, queries } = answering([told(1, 'new', one, 1n, true)]);
    expect(await allocate(session, [one], true)).toMatchObject({ outcomes: [{ replayed: false }], lastOrderId: 20n });
    expect(queries).toMatchObject([{ name: 'allocate one', values: [7n, 'a', 3, 'shop', true, 'ledger-1'] }]);
    expect(queries[0]!.text).toContain('order_numbers.allocate_one(');
  });

  it('is not prepared where its backends change', async () => {
    const { session, queries } = answering(rows, { isShared: true });
    await allocate(session, batch, true);
    expect(queries[0]).not.toHaveProperty('name');
  });

  it('P7: whose answer is too short, too long or of another batch fails', async () => {
    const short = answering(rows.slice(1));
    await expect(allocate(short.session, batch, true)).rejects.toThrow('the server answered 3 of 4 requests');
    const foreign = answering([...rows.slice(1), told(5, 'new', batch[0]!, 1n)]);
    await expect(allocate(foreign.session, batch, true)).rejects.toThrow('the server answered item 5 of a batch of 4');
  });

  it('P7: that was sent before has no definite refusal', () => {
    const outcomes = [{ allocation: allocated(batch[0]!, 1n), replayed: true }, { refused: storeNotFound(8n) }];
    const [first, second] = asSentBefore(outcomes, batch);
    expect(first).toBe(outcomes[0]);
    expect(second).toMatchObject({
      refused: { reason: 'OUTCOME_UNKNOWN', fields: { store_id: '8', request_id: 'b' }, cause: outcomes[1]!.refused },
    });
    // More outcomes than requests: nothing is known of the last one.
    expect(asSentBefore(outcomes, batch.slice(0, 1))[1]).toBe(outcomes[1]);
  });
});

it('an array of numbers is in the notation of PostgreSQL', () => {
  expect(numberArray([1n, 2, undefined, 0])).toBe('{1,2,NULL,0}');
  expect(numberArray([])).toBe('{}');
});

describe('a confirmation', () => {
  const row = { backend: 99, ledger_id: 'ledger-1', last_order_id: 20n, version: 3n, timeline: 4 };

  it('tells the ledger, its end, and the backend', async () => {
    const { session, queries, backends } = answering([row]);
    expect(await confirm(session)).toEqual({ ledgerId: 'ledger-1', lastOrderId: 20n, version: 3n, timeline: 4 });
    expect(backends).toEqual([99]);
    expect(queries).toMatchObject([{ values: ['ledger-1'] }]);
    await expect(confirm(answering([]).session)).rejects.toThrow('confirm() returned nothing');
  });

  it.each([
    ['', 'db1:5432 did not confirm a write within 3000 ms'],
    [
      's1',
      'db1:5432 did not confirm a write within 3000 ms; check in pg_stat_replication whether a standby of ' +
        'synchronous_standby_names (s1) is streaming',
    ],
  ])('that does not come is given up after 3 seconds; with the standbys "%s"', async (standbyNames, message) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { session } = answering([], { standbyNames });
    session.write = () => new Promise(() => {});
    const failure = confirmInTime(session).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(3000);
    expect(await failure).toMatchObject({ message });
  });
});

describe('a store', () => {
  const style = { prefix: 'A-', suffix: '/7', minDigits: 6 };
  const point = { backend: 99, ledger_end: 20n, ledger_version: 3n };
  const row = {
    store_id: 7n,
    first_number: 500n,
    last_number: 499n,
    prefix: 'A-',
    suffix: '/7',
    min_digits: 6,
    create_time_ms: 5n,
    ...point,
  };
  const store = { storeId: 7n, firstNumber: 500n, lastNumber: 499n, createTimeMs: 5, ...style };
  const end = { lastOrderId: 20n, version: 3n, timeline: 4 };

  it('is created, or is there already', async () => {
    const { session, queries, backends } = answering([row]);
    expect(await createStore(session, { storeId: 7n, firstNumber: 500n, ...style })).toEqual({
      written: store,
      ...end,
    });
    expect(queries).toMatchObject([{ values: [7n, 500n, 'A-', '/7', 6, 'ledger-1'] }]);
    expect(backends).toEqual([99]);
    const known = answering([{ ...point, store_id: null }]);
    const created = await createStore(known.session, { ...DEFAULT_STORE, storeId: 7n });
    expect(created).toMatchObject({ written: { reason: 'STORE_EXISTS', fields: { store_id: '7' } }, ...end });
    const mute = answering([]);
    await expect(createStore(mute.session, { ...DEFAULT_STORE, storeId: 7n })).rejects.toThrow('returned nothing');
  });

  const old = {
    old_first_number: 1n,
    old_last_number: 0n,
    old_prefix: 'old',
    old_suffix: 'older',
    old_min_digits: 1,
  };

  it('is changed in what is named, and tells what it was', async () => {
    const { session, queries, backends } = answering([{ ...row, ...old, outcome: 'changed' }]);
    expect(await changeStore(session, 7n, { minDigits: 6 })).toEqual({
      written: {
        before: { ...store, firstNumber: 1n, lastNumber: 0n, prefix: 'old', suffix: 'older', minDigits: 1 },
        after: store,
      },
      ...end,
    });
    expect(queries).toMatchObject([{ values: [7n, null, null, null, 6, 'ledger-1'] }]);
    expect(backends).toEqual([99]);
    const all = answering([{ ...row, ...old, outcome: 'changed' }]);
    await changeStore(all.session, 7n, { firstNumber: 500n, prefix: '', suffix: '' });
    expect(all.queries[0]!.values).toEqual([7n, 500n, '', '', null, 'ledger-1']);
  });

  it('P6: is not changed if it does not exist, or has numbered', async () => {
    const unknown = answering([{ ...point, store_id: null, outcome: 'no store' }]);
    expect(await changeStore(unknown.session, 7n, {})).toMatchObject({
      written: { reason: 'STORE_NOT_FOUND', fields: { store_id: '7' } },
      ...end,
    });
    const fixed = answering([{ ...row, ...old, outcome: 'fixed' }]);
    expect(await changeStore(fixed.session, 7n, { firstNumber: 1n })).toMatchObject({
      written: { reason: 'FIRST_NUMBER_FIXED', fields: { store_id: '7' } },
      ...end,
    });
    await expect(changeStore(answering([]).session, 7n, {})).rejects.toThrow('returned nothing');
  });

  it('is read from its row; a row of nulls is none', () => {
    expect(toStores([row, { ...row, store_id: null }])).toEqual([store]);
    const allocation = {
      order_id: 1n,
      store_id: 7n,
      order_number: 100n,
      count: 2,
      request_id: 'a',
      create_time_ms: 5n,
      prefix: 'A-',
      suffix: '/7',
      min_digits: 6,
      caller: 'shop',
    };
    expect(toAllocations([{ ...allocation, order_id: null }, allocation])).toEqual([
      {
        orderId: 1n,
        storeId: 7n,
        orderNumber: 100n,
        count: 2,
        requestId: 'a',
        createTimeMs: 5,
        ...style,
        caller: 'shop',
      },
    ]);
  });
});
