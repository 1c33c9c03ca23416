import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AllocatorOptions } from '../../src/core/allocator.ts';
import type { AllocateCall, Allocated } from '../../src/core/calls/caller.ts';
import { Allocator } from '../../src/core/allocator.ts';
import { OrderError } from '../../src/core/errors.ts';
import type { Ledger } from '../../src/core/ledger.ts';
import type { BatchSummary, EndedBatch } from '../../src/core/observers.ts';
import type { CommitFault } from '../support/engines/memory-ledger.ts';
import { MemoryLedger } from '../support/engines/memory-ledger.ts';
import { listAfter } from '../support/engines/memory-reads.ts';

const STORE_ID = 7n;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7/;

type Call = Partial<AllocateCall>;

const CALL = { storeId: STORE_ID, count: 1, caller: '', origin: 'a', signal: { aborted: false } };

/** An allocator on a ledger in memory. */
class Fixture {
  readonly ledger = new MemoryLedger();
  readonly allocator: Allocator;

  constructor(options: Partial<AllocatorOptions> = {}) {
    const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
    this.allocator = new Allocator({ ledger: this.ledger, ...limits, ...options });
  }

  allocate(requestId: string, call: Call = {}) {
    const answer = this.allocator.allocate({ ...CALL, ...call, requestId });
    // Each test awaits its answers later; until then no rejection counts as unhandled.
    answer.catch(() => {});
    return answer;
  }

  /** Calls with these keys, and holds the commit of their batch. */
  async inFlight(...requestIds: string[]) {
    const held = this.ledger.holdNext();
    const answers = requestIds.map((requestId) => this.allocate(requestId));
    await held.begun;
    return { ...held, answers };
  }

  /** The keys of each batch that went to the ledger. */
  get batches(): string[][] {
    return this.ledger.batches.map((batch) => batch.map((request) => request.requestId));
  }
}

/** Asserts that the numbers of the ledger are dense, and that these keys have them, in this order. */
async function expectLedger(ledger: MemoryLedger, ...requestIds: string[]): Promise<void> {
  const rows = await listAfter(ledger, 0n, 1_000_000);
  expect(rows.map((row) => row.requestId)).toEqual(requestIds);
  let [orderId, orderNumber] = [1n, 100n];
  for (const row of rows) {
    expect(row).toMatchObject({ orderId, orderNumber });
    orderId += BigInt(row.count);
    orderNumber += BigInt(row.count);
  }
}

function pair(orderId: bigint, replayed = false) {
  return { replayed, allocation: { orderId, orderNumber: orderId + 99n } };
}

function refused(reason: OrderError['reason'], fields: Record<string, string> = {}) {
  return expect.objectContaining({ name: 'OrderError', reason, fields: expect.objectContaining(fields) });
}

describe('checks', () => {
  const bad: [string, Call & { requestId?: string }, OrderError['reason']][] = [
    ['store_id 0', { storeId: 0n }, 'STORE_ID_INVALID'],
    ['a negative store_id', { storeId: -1n }, 'STORE_ID_INVALID'],
    ['store_id 2^63', { storeId: 2n ** 63n }, 'STORE_ID_INVALID'],
    ['count 0', { count: 0 }, 'COUNT_INVALID'],
    ['count 1001', { count: 1001 }, 'COUNT_INVALID'],
    ['count 1.5', { count: 1.5 }, 'COUNT_INVALID'],
    ['a request_id with a space', { requestId: 'a b' }, 'REQUEST_ID_INVALID'],
    ['a request_id with a control character', { requestId: 'a\n' }, 'REQUEST_ID_INVALID'],
    ['a request_id of 129 characters', { requestId: 'x'.repeat(129) }, 'REQUEST_ID_INVALID'],
  ];

  it.each(bad)('P6: %s is refused and burns nothing', async (_, { requestId = 'bad', ...call }, reason) => {
    const fixture = new Fixture();
    await expect(fixture.allocate(requestId, call)).rejects.toEqual(refused(reason));
    expect(await fixture.allocate('x'.repeat(128), { count: 1000 })).toMatchObject(pair(1n));
    await expectLedger(fixture.ledger, 'x'.repeat(128));
  });

  it('a call without a request_id gets a UUIDv7 of its own, and keeps its caller', async () => {
    const fixture = new Fixture();
    const answers = await Promise.all([fixture.allocate(''), fixture.allocate('', { caller: 'checkout' })]);
    expect(answers).toMatchObject([pair(1n), pair(2n)]);
    for (const { allocation } of answers) expect(allocation.requestId).toMatch(UUID_V7);
    expect(answers.map(({ allocation }) => allocation.caller)).toEqual(['', 'checkout']);
    expect(await fixture.allocate(answers[0].allocation.requestId)).toMatchObject(pair(1n, true));
  });

  it('P7: a call without a request_id gets the generated one when its outcome is unknown', async () => {
    const fixture = new Fixture();
    fixture.ledger.failNext('persisted after all');
    const error = await fixture.allocate('').catch((thrown: unknown) => thrown);
    expect(error).toEqual(refused('OUTCOME_UNKNOWN', { request_id: expect.stringMatching(UUID_V7) }));
    const { request_id: requestId } = (error as OrderError).fields;
    expect(await fixture.allocate(requestId!)).toMatchObject(pair(1n, true));
  });

  it('P6: a call without a request_id is refused if one is required', async () => {
    const fixture = new Fixture({ requireRequestId: true });
    await expect(fixture.allocate('')).rejects.toEqual(refused('REQUEST_ID_REQUIRED'));
    expect(await fixture.allocate('a')).toMatchObject(pair(1n));
  });
});

describe('callers', () => {
  it('P3: take turns in a batch, in order of arrival within one caller, and the later of two calls has the higher pair', async () => {
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('first');
    const flood = ['a', 'b', 'c'].map((id) => fixture.allocate(id, { origin: 'flood' }));
    const one = fixture.allocate('one', { origin: 'one' });
    release();
    expect(await Promise.all([...flood, one])).toMatchObject([pair(2n), pair(4n), pair(5n), pair(3n)]);
    expect(await fixture.allocate('later', { origin: 'flood' })).toMatchObject(pair(6n));
    expect(await fixture.allocate('last', { origin: 'one' })).toMatchObject(pair(7n));
    await expectLedger(fixture.ledger, 'first', 'a', 'one', 'b', 'c', 'later', 'last');
  });

  it('P6: of which one fills the queue get room in it; what is displaced is refused with its copies, and burns nothing', async () => {
    const fixture = new Fixture({ maxQueue: 4 });
    const { release } = await fixture.inFlight('first');
    const flood = ['a', 'b', 'c', 'd', 'd', 'e'].map((id) => fixture.allocate(id, { origin: 'flood' }));
    const others = ['x', 'y', 'z'].map((id) => fixture.allocate(id, { origin: 'other' }));
    for (const call of [...flood.slice(2), others[2]]) await expect(call).rejects.toEqual(refused('QUEUE_FULL'));
    release();
    expect(await Promise.all([...flood.slice(0, 2), ...others.slice(0, 2)])).toMatchObject([
      pair(2n),
      pair(4n),
      pair(3n),
      pair(5n),
    ]);
    expect(await fixture.allocate('d', { origin: 'flood' })).toMatchObject(pair(6n));
    await expectLedger(fixture.ledger, 'first', 'a', 'x', 'b', 'y', 'd');
  });

  it('P5 P6: do not lose a request that they wait for, too, and be it that the first one to ask for it has gone', async () => {
    const fixture = new Fixture({ maxQueue: 3 });
    const { release } = await fixture.inFlight('first');
    const gone = new AbortController();
    const flood = ['a', 'b'].map((id) => fixture.allocate(id, { origin: 'flood' }));
    flood.push(fixture.allocate('shared', { origin: 'flood', signal: gone.signal }));
    const copy = fixture.allocate('shared', { origin: 'retry' });
    gone.abort();
    const other = fixture.allocate('x', { origin: 'other' });
    const displaced = flood[1]!.catch((error: unknown) => error);
    release();
    expect(await displaced).toEqual(refused('QUEUE_FULL'));
    expect(await Promise.all([copy, other])).toMatchObject([pair(4n), pair(3n)]);
    await expectLedger(fixture.ledger, 'first', 'a', 'x', 'shared');
  });

  it('P5 P6: do not lose a request that they wait for together with the one who fills the queue', async () => {
    const fixture = new Fixture({ maxQueue: 3 });
    const { release } = await fixture.inFlight('first');
    const flood = ['a', 'b', 'shared'].map((id) => fixture.allocate(id, { origin: 'flood' }));
    const copy = fixture.allocate('shared', { origin: 'retry' });
    const other = fixture.allocate('x', { origin: 'other' });
    await expect(flood[1]).rejects.toEqual(refused('QUEUE_FULL'));
    release();
    expect(await Promise.all([flood[2], copy, other])).toMatchObject([pair(4n), pair(4n, true), pair(3n)]);
  });

  it('P1: that flood a small queue leave no gap, and those that send little are never refused', async () => {
    const fixture = new Fixture({ maxQueue: 20, maxBatch: 7 });
    const quiet = async (origin: string) => {
      for (let i = 0; i < 20; i++) await fixture.allocate(`${origin}-${i}`, { origin });
    };
    const done = new AbortController();
    onTestFinished(() => done.abort());
    const flood = async () => {
      for (let i = 0; !done.signal.aborted; i++) {
        await turnOfTheEventLoop();
        await Promise.allSettled(
          Array.from({ length: 50 }, (_, n) => fixture.allocate(`f-${i}-${n}`, { origin: 'flood' })),
        );
      }
    };
    const flooding = flood();
    await Promise.all(Array.from({ length: 5 }, (_, i) => quiet(`quiet-${i}`)));
    done.abort();
    await flooding;
    const rows = await listAfter(fixture.ledger, 0n, 1_000_000);
    await expectLedger(fixture.ledger, ...rows.map(({ requestId }) => requestId));
    expect(rows.filter(({ requestId }) => requestId.startsWith('quiet'))).toHaveLength(100);
  });
});

describe('racing copies', () => {
  it('P5: of two callers are one allocation of the first one', async () => {
    const fixture = new Fixture();
    const answers = await Promise.all(['one', 'two', ''].map((caller) => fixture.allocate('a', { caller })));
    expect(answers.map(({ allocation }) => allocation.caller)).toEqual(['one', 'one', 'one']);
    expect(fixture.ledger.batches).toMatchObject([[{ requestId: 'a', caller: 'one' }]]);
  });

  it('P5: copies that wait together get one pair, and exactly one is marked new', async () => {
    const fixture = new Fixture();
    const answers = await Promise.all(Array.from({ length: 5 }, () => fixture.allocate('a')));
    expect(answers).toMatchObject([pair(1n), pair(1n, true), pair(1n, true), pair(1n, true), pair(1n, true)]);
    expect(fixture.batches).toEqual([['a']]);
    await expectLedger(fixture.ledger, 'a');
  });

  it('P5: a copy joins a request whose batch is in flight', async () => {
    const fixture = new Fixture();
    const { release, answers } = await fixture.inFlight('a');
    const copy = fixture.allocate('a');
    release();
    expect(await Promise.all([...answers, copy])).toMatchObject([pair(1n), pair(1n, true)]);
    expect(fixture.batches).toEqual([['a']]);
  });

  it('P5: a copy that arrives after the answer is answered by the ledger', async () => {
    const fixture = new Fixture();
    await fixture.allocate('a');
    expect(await fixture.allocate('a')).toMatchObject(pair(1n, true));
    expect(fixture.batches).toEqual([['a'], ['a']]);
  });

  it('P5: all copies of a key already in the ledger are marked as replays', async () => {
    const fixture = new Fixture();
    await fixture.allocate('a');
    expect(await Promise.all([fixture.allocate('a'), fixture.allocate('a')])).toMatchObject([
      pair(1n, true),
      pair(1n, true),
    ]);
  });

  it('P5: the same request_id in another store is not a copy, however close the store ids are', async () => {
    const fixture = new Fixture();
    const keys: [bigint, string][] = [
      [11n, '1'],
      [1n, '11'],
      [9007199254740992n, '1'],
      [9007199254740993n, '1'],
    ];
    const answers = await Promise.all(keys.map(([storeId, requestId]) => fixture.allocate(requestId, { storeId })));
    expect(answers.map(({ allocation, replayed }) => [allocation.storeId, replayed])).toEqual(
      keys.map(([storeId]) => [storeId, false]),
    );
  });

  it('P5: the keys in a batch are distinct', async () => {
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('a');
    const answers = ['b', 'c', 'b', 'a', 'c', 'd', 'b'].map((requestId) => fixture.allocate(requestId));
    release();
    await Promise.all(answers);
    expect(fixture.batches).toEqual([['a'], ['b', 'c', 'd']]);
  });

  it.each(['waiting', 'in flight'])(
    'P5: when the first of several copies %s is cancelled, the next is marked new',
    async (when) => {
      const fixture = new Fixture();
      const before = await fixture.inFlight('before');
      const cancel = new AbortController();
      const held = fixture.ledger.holdNext();
      const first = fixture.allocate('a', { signal: cancel.signal });
      const others = [fixture.allocate('a'), fixture.allocate('a')];
      if (when === 'waiting') cancel.abort();
      before.release();
      await held.begun;
      cancel.abort();
      held.release();
      expect(await Promise.all(others)).toMatchObject([pair(2n), pair(2n, true)]);
      const answer = await first.catch((error: unknown) => error);
      expect(answer).toMatchObject(when === 'waiting' ? { reason: 'CANCELLED' } : pair(2n, true));
      expect(fixture.batches).toEqual([['before'], ['a']]);
    },
  );

  it("P5: one copy's cancellation does not touch the others", async () => {
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('before');
    const cancel = new AbortController();
    const first = fixture.allocate('a');
    fixture.allocate('a', { signal: cancel.signal }).catch(() => {});
    cancel.abort();
    release();
    expect(await first).toMatchObject(pair(2n));
  });

  it('P6: copies are dropped together once all are cancelled', async () => {
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('before');
    const cancel = new AbortController();
    const copies = [1, 2].map(() => fixture.allocate('a', { signal: cancel.signal }));
    cancel.abort();
    release();
    for (const copy of copies) await expect(copy).rejects.toEqual(refused('CANCELLED'));
    expect(await fixture.allocate('a')).toMatchObject(pair(2n));
  });

  it.each(['waiting', 'in flight'])('P6: a copy with another count of one %s is refused at once', async (when) => {
    const fixture = new Fixture();
    const held = await fixture.inFlight(when === 'in flight' ? 'a' : 'before');
    const original = fixture.allocate('a');
    const copy = fixture.allocate('a', { count: 5 });
    await expect(copy).rejects.toEqual(refused('REQUEST_ID_MISMATCH', { count: '5', original_count: '1' }));
    await expect(copy).rejects.toThrow(/a count of 1 .* a count of 5/);
    held.release();
    await original;
    expect(await fixture.allocate('b')).toMatchObject(pair(when === 'in flight' ? 2n : 3n));
  });

  it('P6: a later copy with another count is refused, the message names both, and nothing is allocated', async () => {
    const fixture = new Fixture();
    const original = await fixture.allocate('a', { count: 3 });
    await expect(fixture.allocate('a', { count: 5 })).rejects.toEqual(
      refused('REQUEST_ID_MISMATCH', { store_id: '7', request_id: 'a', count: '5', original_count: '3' }),
    );
    expect(await fixture.allocate('a', { count: 3 })).toEqual({ ...original, replayed: true });
    await expectLedger(fixture.ledger, 'a');
  });
});

describe('batches', () => {
  it('P3: calls are numbered in order of arrival, in batches of maxBatch, one commit at a time', async () => {
    const fixture = new Fixture({ maxBatch: 3 });
    const { release } = await fixture.inFlight('a');
    const answers = ['b', 'c', 'd', 'e', 'f'].map((requestId) => fixture.allocate(requestId));
    release();
    expect(await Promise.all(answers)).toMatchObject([pair(2n), pair(3n), pair(4n), pair(5n), pair(6n)]);
    expect(fixture.batches).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f']]);
    expect(fixture.ledger.mostInFlight).toBe(1);
  });

  it('P1: many concurrent callers get dense numbers, each its own', async () => {
    const fixture = new Fixture({ maxBatch: 7 });
    const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
    const answers = await Promise.all(ids.map((id) => fixture.allocate(id)));
    expect(answers.map((answer) => answer.allocation.requestId)).toEqual(ids);
    await expectLedger(fixture.ledger, ...ids);
    expect(fixture.ledger.mostInFlight).toBe(1);
  });

  it('P4: replies leave after the commit, not before', async () => {
    const fixture = new Fixture();
    await fixture.allocate('known');
    const held = fixture.ledger.holdNext();
    const replies: Allocated[] = [];
    const answers = ['a', 'known'].map((id) => fixture.allocate(id).then((reply) => replies.push(reply)));
    await held.begun;
    await turnOfTheEventLoop();
    expect(replies).toEqual([]);
    held.release();
    await Promise.all(answers);
    expect(replies).toMatchObject([pair(2n), pair(1n, true)]);
  });

  it('P6: a request refused by the ledger does not affect the others in its batch', async () => {
    const fixture = new Fixture();
    vi.spyOn(fixture.ledger, 'commit').mockImplementationOnce(async ([, b]) => {
      const refusal = new OrderError('SEQUENCE_EXHAUSTED', 'no number is left');
      return [{ refused: refusal }, ...(await fixture.ledger.commit([b!]))];
    });
    const [a, b] = [fixture.allocate('a'), fixture.allocate('b')];
    await expect(a).rejects.toEqual(refused('SEQUENCE_EXHAUSTED'));
    expect(await b).toMatchObject(pair(1n));
    expect(await fixture.allocate('a')).toMatchObject(pair(2n));
  });
});

describe('a full queue', () => {
  it('P7: accepts others once the request of waiting copies was refused', async () => {
    const fixture = new Fixture({ maxQueue: 2, maxQueueShare: 1 });
    for (const fault of ['not persisted', 'ledger full', 'not persisted'] as const) {
      fixture.ledger.failNext(fault);
      const { release, answers } = await fixture.inFlight('a');
      const copies = [fixture.allocate('a'), fixture.allocate('a')];
      release();
      for (const answer of [...answers, ...copies]) {
        await expect(answer).rejects.toEqual(refused(fault === 'ledger full' ? 'LEDGER_FULL' : 'OUTCOME_UNKNOWN'));
      }
    }
    expect((await fixture.allocate('a')).replayed).toBe(false);
  });

  it('P6: of copies leaves others their share, however they leave', async () => {
    const fixture = new Fixture({ maxQueue: 4 });
    for (let round = 0; round < 3; round++) {
      const key = `key-${round}`;
      const { release, answers } = await fixture.inFlight(key);
      const cancel = new AbortController();
      const first = fixture.allocate('w', { origin: 'b', signal: cancel.signal });
      const second = fixture.allocate('w');
      answers.push(
        fixture.allocate(key),
        fixture.allocate(key, { origin: 'b' }),
        fixture.allocate(key, { origin: 'b' }),
      );
      const tooMany = ['a', 'b', 'c'].map((origin) => fixture.allocate(key, { origin }));
      cancel.abort();
      release();
      await expect(Promise.all(answers)).resolves.toHaveLength(4);
      for (const call of tooMany) await expect(call).rejects.toEqual(refused('QUEUE_FULL'));
      await expect(first).rejects.toEqual(refused('CANCELLED'));
      expect(await second).toMatchObject({ replayed: round > 0 });
    }
  });

  it("P6: a caller's copies take its share of the room for copies, at least one, and no more", async () => {
    for (const [maxQueue, share] of [
      [4, 2],
      [1, 1],
    ] as const) {
      const fixture = new Fixture({ maxQueue });
      const { release, answers } = await fixture.inFlight('a');
      for (let copy = 0; copy < share; copy++) answers.push(fixture.allocate('a'));
      const tooMany = fixture.allocate('a');
      if (share < maxQueue) answers.push(fixture.allocate('a', { origin: 'b' }));
      release();
      await expect(tooMany).rejects.toEqual(refused('QUEUE_FULL'));
      await expect(Promise.all(answers)).resolves.toMatchObject(answers.map((_, i) => pair(1n, i > 0)));
    }
  });

  it('P6: refuses and burns nothing, but copies of a waiting request still join it', async () => {
    const fixture = new Fixture({ maxQueue: 2 });
    const { release, answers } = await fixture.inFlight('a');
    answers.push(fixture.allocate('b'), fixture.allocate('c'));
    expect(fixture.allocator.queueLength).toBe(2);
    await expect(fixture.allocate('d')).rejects.toEqual(refused('QUEUE_FULL'));
    answers.push(fixture.allocate('c'));
    release();
    expect(await Promise.all(answers)).toMatchObject([pair(1n), pair(2n), pair(3n), pair(3n, true)]);
    expect(await fixture.allocate('d')).toMatchObject(pair(4n));
  });

  it('P6: makes room by dropping cancelled calls', async () => {
    const fixture = new Fixture({ maxQueue: 2 });
    const { release } = await fixture.inFlight('a');
    const cancel = new AbortController();
    const cancelled = ['b', 'c'].map((id) => fixture.allocate(id, { signal: cancel.signal }));
    cancel.abort();
    const wanted = fixture.allocate('d');
    for (const call of cancelled) await expect(call).rejects.toEqual(refused('CANCELLED'));
    release();
    expect(await wanted).toMatchObject(pair(2n));
    await expectLedger(fixture.ledger, 'a', 'd');
  });
});

describe('a call', () => {
  it('P6: cancelled before its batch is formed burns nothing', async () => {
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('a');
    const cancel = new AbortController();
    const calls = [fixture.allocate('b', { signal: cancel.signal }), fixture.allocate('c')];
    cancel.abort();
    release();
    await expect(calls[0]).rejects.toEqual(refused('CANCELLED'));
    expect(await calls[1]).toMatchObject(pair(2n));
    await expectLedger(fixture.ledger, 'a', 'c');
  });

  it('P6: whose deadline has passed when it arrives burns nothing', async () => {
    const fixture = new Fixture();
    await expect(fixture.allocate('a', { signal: AbortSignal.abort() })).rejects.toEqual(refused('CANCELLED'));
    expect(fixture.batches).toEqual([]);
    expect(await fixture.allocate('a')).toMatchObject(pair(1n));
  });

  it('P7: cancelled while its batch is in flight is committed, and its key keeps the number', async () => {
    const fixture = new Fixture();
    const cancel = new AbortController();
    const held = fixture.ledger.holdNext();
    const cancelled = fixture.allocate('a', { signal: cancel.signal });
    const other = fixture.allocate('b');
    await held.begun;
    cancel.abort();
    held.release();
    expect(await other).toMatchObject(pair(2n));
    expect(await cancelled).toMatchObject(pair(1n));
    expect(await fixture.allocate('a')).toMatchObject(pair(1n, true));
    await expectLedger(fixture.ledger, 'a', 'b');
  });

  it('P7: cancelled as soon as its batch is formed is still committed', async () => {
    const fixture = new Fixture();
    let asked = 0;
    const signal = {
      get aborted() {
        return asked++ > 0;
      },
    };
    expect(await fixture.allocate('a', { signal })).toMatchObject({ allocation: { orderId: 1n } });
    expect(await fixture.allocate('a')).toMatchObject(pair(1n, true));
  });

  it('P6: cancelled while its batch is in flight is not wanted any more if the ledger forms the batch again', async () => {
    const fixture = new Fixture();
    const cancel = new AbortController();
    const asked: unknown[] = [];
    const ledger: Ledger = fixture.ledger;
    const commit = ledger.commit.bind(ledger);
    ledger.commit = async (batch, isWanted) => {
      asked.push(isWanted?.(0), isWanted?.(1));
      cancel.abort();
      asked.push(isWanted?.(0), isWanted?.(1));
      return [...(await commit(batch.slice(0, 1))), { refused: new OrderError('CANCELLED', 'not wanted any more') }];
    };
    const calls = [fixture.allocate('a'), fixture.allocate('b', { signal: cancel.signal })];
    expect(await calls[0]).toMatchObject(pair(1n));
    await expect(calls[1]).rejects.toEqual(refused('CANCELLED'));
    expect(asked).toEqual([true, true, true, false]);
  });

  it('P5: a retry of a request that was dropped from a batch formed again is not refused with it', async () => {
    const fixture = new Fixture();
    const cancel = new AbortController();
    const ledger: Ledger = fixture.ledger;
    const asked: unknown[] = [];
    let retry: Promise<Allocated> | undefined;
    vi.spyOn(ledger, 'commit').mockImplementationOnce(async (_, isWanted) => {
      cancel.abort();
      asked.push(isWanted?.(0));
      retry = fixture.allocate('a');
      // Another race was lost.
      asked.push(isWanted?.(0));
      return [{ refused: new OrderError('CANCELLED', 'not wanted any more') }];
    });
    await expect(fixture.allocate('a', { signal: cancel.signal })).rejects.toEqual(refused('CANCELLED'));
    expect(await retry).toMatchObject(pair(1n));
    expect(asked).toEqual([false, false]);
    expect(await fixture.allocate('a')).toMatchObject(pair(1n, true));
  });
});

describe('a commit that fails', () => {
  const faults: [CommitFault, boolean][] = [
    ['not persisted', false],
    ['persisted after all', true],
  ];

  it.each(faults)(
    'P7: and is %s is an unknown outcome for all, and a retry gets dense numbers',
    async (fault, persisted) => {
      const fixture = new Fixture();
      await fixture.allocate('a');
      fixture.ledger.failNext(fault);
      const failed = ['b', 'c', 'c', 'a'].map((id) => fixture.allocate(id));
      for (const call of failed) await expect(call).rejects.toEqual(refused('OUTCOME_UNKNOWN', { store_id: '7' }));
      await expect(failed[0]).rejects.toEqual(refused('OUTCOME_UNKNOWN', { request_id: 'b' }));

      const retries = ['b', 'c', 'd', 'a'].map((id) => fixture.allocate(id));
      expect(await Promise.all(retries)).toMatchObject([
        pair(2n, persisted),
        pair(3n, persisted),
        pair(4n),
        pair(1n, true),
      ]);
      await expectLedger(fixture.ledger, 'a', 'b', 'c', 'd');
    },
  );

  it('P1 P5: in any way leaves no hole: retrying until answered numbers every key once', async () => {
    const fixture = new Fixture({ maxBatch: 5 });
    const ways: CommitFault[] = ['not persisted', 'persisted after all', 'ledger full'];
    fixture.ledger.failNext(...Array.from({ length: 30 }, (_, i) => ways[(i * 7) % 3]!));
    const ids = Array.from({ length: 40 }, (_, i) => `r${i}`);
    const untilAnswered = async (id: string): Promise<Allocated> => {
      for (;;) {
        const answer = await fixture.allocate(id).catch(() => undefined);
        if (answer) return answer;
      }
    };
    const answers = await Promise.all(ids.map(untilAnswered));
    const order = answers.toSorted((a, b) => Number(a.allocation.orderId - b.allocation.orderId));
    await expectLedger(fixture.ledger, ...order.map((answer) => answer.allocation.requestId));
    expect(new Set(ids)).toEqual(new Set(order.map((answer) => answer.allocation.requestId)));
  });

  it('P7: has its cause kept for the log', async () => {
    const fixture = new Fixture();
    fixture.ledger.failNext('not persisted');
    await expect(fixture.allocate('a')).rejects.toMatchObject({
      cause: expect.objectContaining({ message: 'the disk failed' }),
    });
  });

  it('P7: with any other refusal is an unknown outcome, too: the ledger may have refused after it wrote', async () => {
    const { allocator, ledger } = new Fixture();
    const refusal = new OrderError('LEDGER_DAMAGED', 'found by the commit');
    ledger.commit = () => Promise.reject(refusal);
    await expect(allocator.allocate({ ...CALL, requestId: 'a' })).rejects.toEqual(
      refused('OUTCOME_UNKNOWN', { request_id: 'a' }),
    );
  });

  it('P6: on a full disk is reported, and its calls allocate nothing', async () => {
    const fixture = new Fixture();
    fixture.ledger.failNext('ledger full');
    const failed = ['a', 'b'].map((id) => fixture.allocate(id));
    for (const call of failed) await expect(call).rejects.toEqual(refused('LEDGER_FULL'));
    await expectLedger(fixture.ledger);
    expect(await fixture.allocate('b')).toMatchObject(pair(1n));
  });

  it('P7: fails its own batch alone; waiting calls are committed when the ledger has reopened', async () => {
    const fixture = new Fixture();
    fixture.ledger.failNext('persisted after all');
    const { release, answers } = await fixture.inFlight('a');
    const waiting = [fixture.allocate('b'), fixture.allocate('c')];
    release();
    await expect(answers[0]).rejects.toEqual(refused('OUTCOME_UNKNOWN'));
    expect(await Promise.all(waiting)).toMatchObject([pair(2n), pair(3n)]);
  });

  it('P7: with too few outcomes is never reported as a definite failure', async () => {
    const fixture = new Fixture();
    vi.spyOn(fixture.ledger, 'commit').mockResolvedValueOnce([]);
    const failure: unknown = await fixture.allocate('a').catch((error: unknown) => error);
    expect(failure).toEqual(refused('OUTCOME_UNKNOWN', { request_id: 'a' }));
    expect(failure).toMatchObject({ cause: { message: expect.stringContaining('fewer outcomes') } });
  });
});

describe('a ledger that is not open', () => {
  it('P7: keeps calls waiting until it opens, and commits none before', async () => {
    const fixture = new Fixture();
    const reopening = fixture.ledger.startReopening();
    const cancel = new AbortController();
    const calls = ['a', 'b', 'c'].map((id) => fixture.allocate(id, id === 'b' ? { signal: cancel.signal } : {}));
    await turnOfTheEventLoop();
    expect(fixture.allocator.queueLength).toBe(3);
    expect(fixture.batches).toEqual([]);
    cancel.abort();
    reopening.resolve();
    expect(await Promise.all([calls[0], calls[2]])).toMatchObject([pair(1n), pair(2n)]);
    await expect(calls[1]).rejects.toEqual(refused('CANCELLED'));
    expect(fixture.batches).toEqual([['a', 'c']]);
  });

  it('P6: drops calls at once when their deadline passes meanwhile, and single copies, too', async () => {
    const fixture = new Fixture({ maxQueue: 3, maxQueueShare: 1 });
    const reopening = fixture.ledger.startReopening();
    const cancel = new AbortController();
    const { signal } = cancel;
    const calls = [fixture.allocate('a', { signal }), fixture.allocate('b'), fixture.allocate('b', { signal })];
    await turnOfTheEventLoop();
    expect(fixture.allocator.queueLength).toBe(2);
    cancel.abort();
    await expect(calls[0]).rejects.toEqual(refused('CANCELLED'));
    await expect(calls[2]).rejects.toEqual(refused('CANCELLED'));
    expect(fixture.allocator.queueLength).toBe(1);
    // There is room for two more requests, and for three copies.
    const others = ['c', 'd', 'b', 'b', 'b'].map((id) => fixture.allocate(id));
    reopening.resolve();
    expect(await Promise.all([calls[1], ...others])).toHaveLength(6);
    await expectLedger(fixture.ledger, 'b', 'c', 'd');
  });

  it('does not hold up a drain that no call waits in', async () => {
    const fixture = new Fixture();
    fixture.ledger.startReopening();
    const cancel = new AbortController();
    const call = fixture.allocate('a', { signal: cancel.signal });
    cancel.abort();
    await expect(call).rejects.toEqual(refused('CANCELLED'));
    expect(await fixture.allocator.drain(600_000)).toBe(true);
  });

  it('holds up a drain until the last call that waits in it has expired, and no longer', async () => {
    const fixture = new Fixture();
    fixture.ledger.startReopening();
    const cancel = new AbortController();
    const call = fixture.allocate('a', { signal: cancel.signal });
    const drained = fixture.allocator.drain(600_000);
    cancel.abort();
    await expect(call).rejects.toEqual(refused('CANCELLED'));
    expect(await drained).toBe(true);
  });

  it('P6: and will not open refuses waiting and later calls with its own reason', async () => {
    const fixture = new Fixture();
    const reopening = fixture.ledger.startReopening();
    const waiting = ['a', 'b', 'a'].map((id) => fixture.allocate(id));
    reopening.reject(new OrderError('LEDGER_DAMAGED', 'an operator has to act'));
    for (const call of waiting) await expect(call).rejects.toEqual(refused('LEDGER_DAMAGED'));
    await expect(fixture.allocate('a')).rejects.toEqual(refused('LEDGER_DAMAGED'));
    expect(fixture.batches).toEqual([]);
  });
});

describe('draining', () => {
  it('P6: answers earlier calls and refuses later ones', async () => {
    const fixture = new Fixture({ maxBatch: 1 });
    const { release, answers } = await fixture.inFlight('a');
    answers.push(fixture.allocate('b'), fixture.allocate('c'));
    expect(fixture.allocator.isDraining).toBe(false);
    const drained = fixture.allocator.drain(60_000);
    expect(fixture.allocator.isDraining).toBe(true);
    await expect(fixture.allocate('d')).rejects.toEqual(refused('DRAINING'));
    await expect(fixture.allocate('b')).rejects.toEqual(refused('DRAINING'));
    release();
    expect(await drained).toBe(true);
    expect(await Promise.all(answers)).toMatchObject([pair(1n), pair(2n), pair(3n)]);
    await expectLedger(fixture.ledger, 'a', 'b', 'c');
  });

  it('ends at once if no call is in flight', async () => {
    const fixture = new Fixture();
    expect(await fixture.allocator.drain(60_000)).toBe(true);
    await expect(fixture.allocate('a')).rejects.toEqual(refused('DRAINING'));
    expect(fixture.batches).toEqual([]);
  });

  it('leaves no timer behind that would keep the process alive', async () => {
    const [set, clear] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')];
    onTestFinished(() => void vi.restoreAllMocks());
    const fixture = new Fixture();
    const { release } = await fixture.inFlight('a');
    const drained = fixture.allocator.drain(54_321);
    release();
    expect(await drained).toBe(true);
    const timer = set.mock.results[set.mock.calls.findIndex(([, ms]) => ms === 54_321)]!;
    expect(clear).toHaveBeenCalledWith(timer.value);
  });

  it('P7: past the limit reports an unknown outcome to calls in flight, and a definite failure to waiting ones', async () => {
    const fixture = new Fixture();
    fixture.ledger.failNext('never answers');
    const { release, answers } = await fixture.inFlight('a', 'a', 'b');
    release();
    const waiting = [fixture.allocate('c'), fixture.allocate('c')];
    expect(await fixture.allocator.drain(1)).toBe(false);
    const ids = ['a', 'a', 'b'];
    for (const [i, call] of answers.entries()) {
      await expect(call).rejects.toEqual(refused('OUTCOME_UNKNOWN', { request_id: ids[i]! }));
    }
    for (const call of waiting) await expect(call).rejects.toEqual(refused('DRAINING'));
    expect(fixture.batches).toEqual([['a', 'b']]);
  });

  it('P6: past the limit with a ledger that does not open reports a definite failure to waiting calls', async () => {
    const fixture = new Fixture();
    fixture.ledger.startReopening();
    const waiting = fixture.allocate('a');
    expect(await fixture.allocator.drain(1)).toBe(false);
    await expect(waiting).rejects.toEqual(refused('DRAINING'));
  });

  it('P7: past the limit changes no answer if a commit ends later', async () => {
    const fixture = new Fixture();
    const { release, answers } = await fixture.inFlight('a');
    expect(await fixture.allocator.drain(1)).toBe(false);
    release();
    await expect(answers[0]).rejects.toEqual(refused('OUTCOME_UNKNOWN'));
    await vi.waitFor(() => expectLedger(fixture.ledger, 'a'));
  });
});

it.each([undefined, 'not persisted'] as const)(
  'P7: past the limit of a drain no caller is answered a second time if the commit ends later: %s',
  async (fault) => {
    const { allocator, ledger } = new Fixture();
    if (fault) ledger.failNext(fault);
    const held = ledger.holdNext();
    const told: string[] = [];
    const caller = { ...CALL, resolve: () => void told.push('resolved'), reject: () => void told.push('rejected') };
    for (const requestId of ['a', 'a', 'b']) allocator.enqueue({ ...CALL, requestId }, caller);
    await held.begun;
    expect(await allocator.drain(1)).toBe(false);
    held.release();
    // Idle: the commit has ended, and whatever it was to tell has been told.
    expect(await allocator.drain(60_000)).toBe(true);
    await turnOfTheEventLoop();
    expect(told).toEqual(['rejected', 'rejected', 'rejected']);
  },
);

it('each caller is told of the batch that had its request, a racing copy and a refused one too', async () => {
  const { allocator, ledger } = new Fixture();
  const told: [requestId: string, result: string, batch: EndedBatch | undefined][] = [];
  const enqueue = (requestId: string, count = 1) => {
    const tell = (result: string) => (_: unknown, batch?: EndedBatch) => void told.push([requestId, result, batch]);
    const caller = { ...CALL, resolve: tell('resolved'), reject: tell('rejected') };
    allocator.enqueue({ ...CALL, requestId, count }, caller);
  };
  enqueue('a');
  await vi.waitFor(() => expect(told).toHaveLength(1));
  const held = ledger.holdNext();
  const before = performance.now();
  enqueue('a', 2);
  enqueue('b');
  await held.begun;
  enqueue('b');
  held.release();
  await vi.waitFor(() => expect(told).toHaveLength(4));
  ledger.failNext('not persisted');
  enqueue('c');
  await vi.waitFor(() => expect(told).toHaveLength(5));
  const after = performance.now();

  const [first, mismatch, b, copy, c] = told.map(([, , batch]) => batch!);
  expect(told.map(([requestId, result]) => `${requestId} ${result}`)).toEqual([
    'a resolved',
    'a rejected',
    'b resolved',
    'b resolved',
    'c rejected',
  ]);
  expect([first, b, c].map((batch) => batch?.requests)).toEqual([1, 2, 1]);
  expect([mismatch, copy]).toEqual([b, b]);
  expect(b!.formedAt).toBeGreaterThanOrEqual(before);
  expect(c!.formedAt + c!.ms).toBeLessThanOrEqual(after);
});

it('a caller that no batch had is told of none', async () => {
  const { allocator, ledger } = new Fixture();
  ledger.startReopening();
  const rejected = new Promise<unknown[]>((resolve) => {
    allocator.enqueue({ ...CALL, requestId: 'a' }, { ...CALL, resolve() {}, reject: (...told) => resolve(told) });
  });
  await allocator.drain(1);
  expect(await rejected).toEqual([refused('DRAINING'), undefined]);
});

describe('the observer', () => {
  it('is told of each batch on disk: new numbers, calls that got earlier ones, and the last create_time', async () => {
    const batches: BatchSummary[] = [];
    const fixture = new Fixture({ observer: { committed: (batch) => void batches.push(batch) } });
    const held = fixture.ledger.holdNext();
    const answers = ['a', 'a', 'a', 'b'].map((id) => fixture.allocate(id));
    await held.begun;
    held.release();
    const last = (await Promise.all(answers)).at(-1)!.allocation.createTimeMs;
    await Promise.all(['b', 'b', 'c'].map((id) => fixture.allocate(id)));
    await Promise.all(['a', 'c', 'c'].map((id) => fixture.allocate(id)));
    expect(batches).toMatchObject([
      { allocated: 2, replayed: 2, createTimeMs: last },
      { allocated: 1, replayed: 2 },
      { allocated: 0, replayed: 3, createTimeMs: 0 },
    ]);
    expect(last).toBeGreaterThan(0);
    for (const { ms } of batches) expect(ms).toBeGreaterThanOrEqual(0);
  });

  it('is not told of a batch whose outcome is unknown', async () => {
    const committed = vi.fn<() => void>();
    const fixture = new Fixture({ observer: { committed } });
    fixture.ledger.failNext('persisted after all');
    await expect(fixture.allocate('a')).rejects.toEqual(refused('OUTCOME_UNKNOWN'));
    expect(committed).not.toHaveBeenCalled();
  });
});
