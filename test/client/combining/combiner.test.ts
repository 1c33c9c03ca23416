import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Allocated, ClientOptions, OrderNumbersClient } from '../../../src/client/index.ts';
import { OrderNumbersError } from '../../../src/client/index.ts';
import type { AllocateOrdersRequest, BatchAllocateOrdersRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import { BatchAllocateOrdersRequest as BatchMessage } from '../../../src/wire/gen/orders/v1/orders.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import type { Ending, Seen } from '../fake-server.ts';
import { allocation, bare, clientOf, detailed, FakeServer, ours, resultOf } from '../fake-server.ts';

/** Calls under way at the same time, at most, if none of them ends. */
const MAX_CALLS = 8;

/** The answer to one request: the number in its key is its order_id. */
const given = ({
  storeId,
  requestId,
  count = 1,
}: Pick<AllocateOrdersRequest, 'storeId' | 'requestId'> & { readonly count?: number }) => ({
  response: {
    allocation: allocation(BigInt(requestId.replaceAll(/\D/g, '') || 1), { storeId, requestId, count }),
    replayed: false,
  },
});
const allGiven = ({ requests }: BatchAllocateOrdersRequest): Ending => ({
  response: { results: requests.map((request) => resultOf(given(request))) },
});
/** Answers to single calls and to batches. */
const ALL_GIVEN = { allocateOrder: [given], allocateOrders: [given], batchAllocateOrders: [allGiven] };

describe('allocations that are asked for together', () => {
  it('go in one call, in their order, if it is in one turn of the event loop', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    const client = server.client();
    const asked = [client.allocate({ storeId: 1, requestId: 'k1' }), client.allocate({ storeId: 2, requestId: 'k2' })];
    process.nextTick(() => asked.push(client.allocate({ storeId: 1, requestId: 'k3' })));
    await Promise.resolve();
    asked.push(client.allocate({ storeId: 1, requestId: 'k4', count: 7 }));
    await server.call(1);
    const answers = await Promise.all(asked);
    expect(answers.map(({ orderId, requestId }) => [orderId, requestId])).toEqual([
      [1n, 'k1'],
      [2n, 'k2'],
      [4n, 'k4'],
      [3n, 'k3'],
    ]);
    expect(server.seen.map(({ method, request }) => [method, request])).toEqual([
      [
        'batchAllocateOrders',
        {
          requests: [
            { storeId: 1n, requestId: 'k1', count: 1 },
            { storeId: 2n, requestId: 'k2', count: 1 },
            { storeId: 1n, requestId: 'k4', count: 7 },
            { storeId: 1n, requestId: 'k3', count: 1 },
          ],
        },
      ],
    ]);
  });

  it('go by their own methods if each is alone', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    const client = server.client();
    await client.allocate({ storeId: 1, requestId: 'k1' });
    await client.allocate({ storeId: 1, requestId: 'k2', count: 2 });
    expect(server.seen.map(({ method }) => method)).toEqual(['allocateOrder', 'allocateOrders']);
  });

  it('wait while two calls are under way, and are the next one', async () => {
    const time = frozenTime();
    const held = holding();
    const server = await FakeServer.start({ allocateOrder: [given], batchAllocateOrders: [held.answer] });
    const client = server.client();
    const asked = [...ask(client, 'k1', 'k2')];
    await server.call(1);
    asked.push(...ask(client, 'k3', 'k4'));
    await server.call(2);
    asked.push(...ask(client, 'k5'));
    await turn();
    time.advance(49);
    asked.push(...ask(client, 'k6'));
    await turn();
    asked.push(...ask(client, 'k7'));
    await roundTrip(client);
    expect(keysOf(server.seen)).toEqual([
      ['k1', 'k2'],
      ['k3', 'k4'],
    ]);
    held.release();
    expect((await Promise.all(asked)).map(({ orderId }) => orderId)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
    expect(keysOf(server.seen)).toEqual([
      ['k1', 'k2'],
      ['k3', 'k4'],
      ['k5', 'k6', 'k7'],
    ]);
  });

  it('are spread evenly over two calls if there are more than 20', async () => {
    frozenTime();
    const held = holding();
    const server = await FakeServer.start({ batchAllocateOrders: [held.answer] });
    const client = server.client();
    const few = ask(client, ...keysNamed('a', 20));
    await server.call(1);
    const many = ask(client, ...keysNamed('b', 60));
    await roundTrip(client);
    expect(keysOf(server.seen)).toEqual([keysNamed('a', 20), keysNamed('b', 60).slice(0, 40)]);
    held.release();
    await Promise.all([...few, ...many]);
    await Promise.all(ask(client, ...keysNamed('c', 41)));
    expect(keysOf(server.seen).slice(2)).toEqual([
      keysNamed('b', 60).slice(40),
      keysNamed('c', 41).slice(0, 21),
      keysNamed('c', 41).slice(21),
    ]);
  });

  it('go in further calls while two have been under way for 50 ms, two at a time and at most eight in all', async () => {
    const time = frozenTime();
    const server = await FakeServer.start({ batchAllocateOrders: ['silence'] });
    const client = server.client();
    for (let pair = 1; pair <= MAX_CALLS / 2; pair++) {
      ignored(ask(client, `a${pair}`, `b${pair}`));
      await server.call(2 * pair - 1);
      ignored(ask(client, `c${pair}`, `d${pair}`));
      await server.call(2 * pair);
      ignored(ask(client, `e${pair}`));
      await roundTrip(client);
      expect(keysOf(server.seen)).toHaveLength(2 * pair);
      time.advance(50);
    }
    time.advance(1_000);
    ignored(ask(client, 'z'));
    await roundTrip(client);
    expect(keysOf(server.seen)).toHaveLength(MAX_CALLS);
  });

  it('go singly if the client does not combine', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    await Promise.all(ask(server.client({ combine: false }), 'k1', 'k2', 'k3'));
    expect(server.seen.map(({ method }) => method)).toEqual(Array(3).fill('allocateOrder'));
    expect(() => server.client({ combine: 1 as never })).toThrow('combine 1 is not valid');
  });
});

describe('each caller of a combined call', () => {
  it('P7: gets its own answer, or its own refusal', async () => {
    const endings = [
      (request: AllocateOrdersRequest) => given(request),
      () => ours('STORE_ID_INVALID', { store_id: '1' }),
      () => ours('SEQUENCE_EXHAUSTED'),
      (request: AllocateOrdersRequest) => given(request),
    ];
    const server = await startBatches(({ requests }) => requests.map((request, i) => endings[i]!(request)));
    const [first, second, third, fourth] = await Promise.allSettled(ask(server.client(), 'k1', 'k2', 'k3', 'k4'));
    expect(first).toMatchObject({ value: { orderId: 1n, requestId: 'k1' } });
    expect(second).toMatchObject({
      reason: {
        code: 'INVALID_ARGUMENT',
        reason: 'STORE_ID_INVALID',
        metadata: { store_id: '1' },
        requestId: 'k2',
        outcome: 'refused',
        message: 'refused: STORE_ID_INVALID',
        cause: { code: status.INVALID_ARGUMENT },
      },
    });
    expect(third).toMatchObject({ reason: { code: 'OUT_OF_RANGE', requestId: 'k3', outcome: 'refused' } });
    expect(fourth).toMatchObject({ value: { orderId: 4n, requestId: 'k4' } });
    expect(server.seen).toHaveLength(1);
  });

  it('P5: retries by its own result alone, when that says so, with its own key', async () => {
    const full = detailed(status.RESOURCE_EXHAUSTED, { reason: 'QUEUE_FULL', domain: 'orders.v1' }, 300);
    const server = await startBatches(({ requests }) =>
      requests.map((request) => {
        const isFirst = server.seen.length === 1;
        if (request.requestId === 'k2' && isFirst) return ours('OUTCOME_UNKNOWN');
        if (request.requestId === 'k3' && isFirst) return full;
        return given(request);
      }),
    );
    const answers = await Promise.all(ask(server.client(), 'k1', 'k2', 'k3', 'k4'));
    expect(answers.map(({ requestId }) => requestId)).toEqual(['k1', 'k2', 'k3', 'k4']);
    expect(keysOf(server.seen)[0]).toEqual(['k1', 'k2', 'k3', 'k4']);
    expect(keysOf(server.seen).slice(1).flat().toSorted()).toEqual(['k2', 'k3']);
    const retried = server.seen.findLast(({ request }) => JSON.stringify(keysIn(request)).includes('k3'))!;
    expect(retried.atMs - server.seen[0]!.atMs).toBeGreaterThanOrEqual(298);
  });

  it('P5: retries what failed as a whole, with the same key, and gets what it would have got alone', async () => {
    for (const failure of [bare(status.UNAVAILABLE), bare(status.INTERNAL), ours('DRAINING')]) {
      const server = await FakeServer.start({ ...ALL_GIVEN, batchAllocateOrders: [failure, allGiven] });
      const answers = await Promise.all(ask(server.client(), 'k1', 'k2', 'k3'));
      expect(answers.map(({ requestId }) => requestId)).toEqual(['k1', 'k2', 'k3']);
      expect(keysOf(server.seen).slice(1).flat().toSorted()).toEqual(['k1', 'k2', 'k3']);
    }
    const refused = detailed(status.UNAUTHENTICATED, { reason: 'TOKEN_INVALID', domain: 'orders.v1' });
    const server = await FakeServer.start({ batchAllocateOrders: [refused] });
    for (const error of await errorsOf(ask(server.client(), 'k1', 'k2'))) {
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'TOKEN_INVALID', outcome: 'refused' });
    }
    expect(server.seen).toHaveLength(1);
  });

  it('P7: is not told that nothing was done if an earlier attempt may have been', async () => {
    const server = await FakeServer.start({
      allocateOrder: [ours('LEDGER_DAMAGED')],
      batchAllocateOrders: [
        bare(status.UNAVAILABLE),
        batchOf(({ requests }) => requests.map(() => ours('LEDGER_DAMAGED'))),
      ],
    });
    for (const error of await errorsOf(ask(server.client(), 'k1', 'k2'))) {
      expect(error).toMatchObject({ reason: 'LEDGER_DAMAGED', outcome: 'unknown' });
    }
  });

  it('P7: ends when its own time is up, and leaves the call to the others', async () => {
    const held = holding();
    const server = await FakeServer.start({ ...ALL_GIVEN, batchAllocateOrders: [held.answer] });
    const client = server.client({ attemptTimeoutMs: 20_000 });
    const brief = client.allocate({ storeId: 1, requestId: 'k1' }, { timeoutMs: 1500 });
    const patient = client.allocate({ storeId: 1, requestId: 'k2' }, { timeoutMs: 10_000 });
    const { msLeft } = await server.call(1);
    // The latest of both, within the time of an attempt.
    expect(msLeft).toBeGreaterThan(5_000);
    expect(msLeft).toBeLessThanOrEqual(10_000);
    const [error] = await errorsOf([brief]);
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'unknown', requestId: 'k1' });
    expect(error!.message).toContain('no answer in time');
    held.release();
    expect(await patient).toMatchObject({ requestId: 'k2' });
    expect(server.seen).toHaveLength(1);
  });

  it('P7: is told that nothing was done if its time was up before it was sent', async () => {
    const { server, client, held } = await saturated();
    const [error] = await errorsOf([client.allocate({ storeId: 1, requestId: 'late' }, { timeoutMs: 50 })]);
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'refused', connectionProblem: undefined });
    expect(error!.message).toMatch(/^DEADLINE_EXCEEDED: not sent in time: calls of this client that came first/);
    held.release();
    await client.allocate({ storeId: 1, requestId: 'k99' });
    expect(keysOf(server.seen).flat()).not.toContain('late');
  });

  it('P7: ends in its own time, whoever asked first, whether it waits or was sent', async () => {
    // Far enough from each other for a process that is not run for half a second.
    const times = [1600, 100, 2400, 800];
    const { client } = await saturated();
    expect(await lateOnes(client, times)).toEqual([100, 800, 1600, 2400].map((ms) => [ms, 'refused']));

    const silent = await FakeServer.start({ batchAllocateOrders: ['silence'] });
    const other = silent.client({ attemptTimeoutMs: 20_000 });
    expect(await lateOnes(other, [...times, 3200])).toEqual([100, 800, 1600, 2400, 3200].map((ms) => [ms, 'unknown']));
    expect(silent.seen).toHaveLength(1);
  });

  it('P7: aborts at once: what waits is not sent, what was sent may be done, and neither is in the way', async () => {
    const { server, client, held } = await saturated();
    const stop = new AbortController();
    const waiting = errorsOf([client.allocate({ storeId: 1, requestId: 'gone' }, { signal: stop.signal })]);
    const others = ask(client, 'k91', 'k92');
    await turn();
    stop.abort(new Error('the customer left'));
    const [unsent] = await waiting;
    expect(unsent).toMatchObject({ code: 'CANCELLED', outcome: 'refused', cause: { message: 'the customer left' } });
    held.release();
    expect((await Promise.all(others)).map(({ requestId }) => requestId)).toEqual(['k91', 'k92']);
    expect(keysOf(server.seen).at(-1)).toEqual(['k91', 'k92']);
  });

  it('leaves no timer behind when it aborts: a program that is done can end', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    const client = server.client();
    await client.allocate({ storeId: 1, requestId: 'k1' });
    const timers = timersRunning();
    const stop = new AbortController();
    const aborted = errorsOf([client.allocate({ storeId: 1, requestId: 'k2' }, { signal: stop.signal })]);
    expect(timersRunning()).toBe(timers + 1);
    stop.abort();
    await aborted;
    expect(timersRunning()).toBe(timers);
  });

  it('P7: may have been done if it aborts after it was sent; the last to leave cancels the call', async () => {
    const held = holding();
    const server = await FakeServer.start({ batchAllocateOrders: [held.answer, 'silence'] });
    // An attempt ends only by its signal.
    const client = server.client({ timeoutMs: 100_000, attemptTimeoutMs: 100_000 });
    const stops = Array.from({ length: 4 }, () => new AbortController());
    const calls = stops.map(({ signal }, i) => client.allocate({ storeId: 1, requestId: `k${i}` }, { signal }));
    const [stayed, ...left] = calls;
    const errors = errorsOf(left);
    await server.call(1);
    for (const stop of stops.slice(1)) stop.abort();
    for (const error of await errors) expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'unknown' });
    held.release();
    expect(await stayed).toMatchObject({ requestId: 'k0' });

    const stop = new AbortController();
    const both = errorsOf(['k8', 'k9'].map((requestId) => client.allocate({ storeId: 1, requestId }, stop)));
    const { cancelled } = await server.call(2);
    stop.abort();
    expect(await both).toHaveLength(2);
    await cancelled;
  });

  it('is stopped by close: what was sent may be done, what waits is not', async () => {
    const { client, sent } = await saturated();
    const waiting = errorsOf(ask(client, 'w1', 'w2'));
    await turn();
    client.close();
    for (const error of await waiting) expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    for (const error of await sent) expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'unknown' });
  });

  it('P7: that ends without a connection was not done', async () => {
    const client = clientOf(await freeAddress(), { timeoutMs: 10_000 });
    const stop = new AbortController();
    const aborted = errorsOf(ask(client, 'k1', 'k2'));
    const others = errorsOf(['k3', 'k4'].map((requestId) => client.allocate({ storeId: 1, requestId }, stop)));
    await turn();
    stop.abort();
    for (const error of await others) expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    client.close();
    for (const error of await aborted) expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
  });
});

describe('P7: a caller that leaves before its call is sent', () => {
  it('is not in the call that the others wait for, so nothing was done', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    const client = server.client();
    const stop = new AbortController();
    const stayed = ask(client, 'k1', 'k2');
    const left = errorsOf([client.allocate({ storeId: 1, requestId: 'k3' }, stop)]);
    // The call is made; a connection needs further turns.
    await turn();
    stop.abort();
    const [error] = await left;
    expect(error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    expect((await Promise.all(stayed)).map(({ requestId }) => requestId)).toEqual(['k1', 'k2']);
    expect(keysOf(server.seen).flat().toSorted()).toEqual(['k1', 'k2']);
  });
});

describe('P5 P7: an answer that does not say which request it is for counts as none', () => {
  it.each([
    ['is a result short', (all: Results) => all.slice(0, -1)],
    ['has a result too many', (all: Results) => [...all, all[0]!]],
    ['has no result', () => []],
    ['has empty results', (all: Results) => all.map(() => ({ result: undefined }))],
    ['has a status OK', (all: Results) => all.map(() => resultOf(bare(status.OK) as never))],
    ['is in another order', (all: Results) => [all[1]!, all[2]!, all[0]!]],
    [
      'is for another store',
      (all: Results) => all.map((_, i) => resultOf(given({ storeId: 8n, requestId: `k${i + 1}` }))),
    ],
  ])('if it %s', async (_, spoil) => {
    const spoilt = (request: BatchAllocateOrdersRequest): Ending => ({
      response: { results: spoil((allGiven(request) as { response: { results: Results } }).response.results) },
    });
    const server = await FakeServer.start({ ...ALL_GIVEN, batchAllocateOrders: [spoilt, spoilt, allGiven] });
    const answers = await Promise.all(ask(server.client(), 'k1', 'k2', 'k3'));
    expect(answers.map(({ orderId, requestId }) => [orderId, requestId])).toEqual([
      [1n, 'k1'],
      [2n, 'k2'],
      [3n, 'k3'],
    ]);

    // The first answer counted for none of them.
    const sent = keysOf(server.seen).flat();
    for (const key of ['k1', 'k2', 'k3']) expect(sent.filter((each) => each === key).length).toBeGreaterThan(1);

    const hopeless = await FakeServer.start({ batchAllocateOrders: [spoilt, 'silence'], allocateOrder: ['silence'] });
    const client = hopeless.client({ timeoutMs: 1500 });
    for (const error of await errorsOf(ask(client, 'k1', 'k2', 'k3')))
      expect(error).toMatchObject({ outcome: 'unknown' });
  });
});

/** Each request gets the numbers of another one. */
const swapped = ({ requests }: BatchAllocateOrdersRequest): Ending => ({
  response: {
    results: requests.toReversed().map(({ count, ...request }) => {
      const { allocation: first, replayed } = given(request).response;
      return resultOf({ response: { allocation: { ...first, count }, replayed } });
    }),
  },
});

it('P5: an answer with another count is that of another request with the same key', async () => {
  const server = await FakeServer.start({ allocateOrder: ['silence'], batchAllocateOrders: [swapped, 'silence'] });
  const client = server.client({ timeoutMs: 1500 });
  const counts = [1, 2].map((count) => client.allocate({ storeId: 1, requestId: 'k1', count }));
  for (const error of await errorsOf(counts)) expect(error).toMatchObject({ outcome: 'unknown' });
});

describe('a server without BatchAllocateOrders', () => {
  it('P5: gets the same requests singly, with the same keys, and is asked again on the next connection', async () => {
    const address = await freeAddress();
    const old = { allocateOrder: [given], batchAllocateOrders: [bare(status.UNIMPLEMENTED)] };
    const server = await FakeServer.start(old, {}, { address });
    const client = clientOf(address);
    const answers = await Promise.all(ask(client, 'k1', 'k2', 'k3'));
    expect(answers.map(({ requestId }) => requestId)).toEqual(['k1', 'k2', 'k3']);
    await Promise.all(ask(client, 'k4', 'k5'));
    expect(keysOf(server.seen)).toEqual([['k1', 'k2', 'k3'], ['k1'], ['k2'], ['k3'], ['k4'], ['k5']]);
    server.stop();
    const next = await FakeServer.start(ALL_GIVEN, {}, { address });
    await Promise.all(ask(client, 'k6', 'k7'));
    await Promise.all(ask(client, 'k8', 'k9'));
    expect(keysOf(next.seen).at(-1)).toEqual(['k8', 'k9']);
  });

  it('is asked again after a minute', async () => {
    const time = frozenTime();
    const server = await FakeServer.start({
      allocateOrder: [given],
      batchAllocateOrders: [bare(status.UNIMPLEMENTED), allGiven],
    });
    const client = server.client();
    await Promise.all(ask(client, 'k1', 'k2'));
    time.advance(59_999);
    await Promise.all(ask(client, 'k3', 'k4'));
    time.advance(1);
    await Promise.all(ask(client, 'k5', 'k6'));
    expect(keysOf(server.seen)).toEqual([['k1', 'k2'], ['k1'], ['k2'], ['k3'], ['k4'], ['k5', 'k6']]);
  });

  it('lets each caller keep its own refusal, deadline and signal', async () => {
    const server = await FakeServer.start({
      allocateOrder: [
        ({ requestId }: AllocateOrdersRequest) => (requestId === 'k1' ? ours('STORE_NOT_FOUND') : 'silence'),
      ],
    });
    const client = server.client();
    const stop = new AbortController();
    const calls = [
      client.allocate({ storeId: 1, requestId: 'k1' }),
      client.allocate({ storeId: 1, requestId: 'k2' }, { timeoutMs: 1500 }),
      client.allocate({ storeId: 1, requestId: 'k3' }, { signal: stop.signal }),
    ];
    await server.call(3);
    stop.abort();
    const [refused, late, aborted] = await errorsOf(calls);
    expect(refused).toMatchObject({ reason: 'STORE_NOT_FOUND', outcome: 'refused' });
    expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'unknown' });
    expect(aborted).toMatchObject({ code: 'CANCELLED', outcome: 'unknown' });
  });
});

describe('bounds', () => {
  it('a call has up to 1000 requests, and less than 256 KiB', async () => {
    const server = await FakeServer.start(ALL_GIVEN);
    const client = server.client();
    const all = keysNamed('k', 2_500);
    await Promise.all(ask(client, ...all));
    const lengths = keysOf(server.seen).map(({ length }) => length);
    expect(lengths.slice(0, 2)).toEqual([1_000, 1_000]);
    expect(keysOf(server.seen).flat()).toEqual(all);
    const before = lengths.length;

    // Longer than the server accepts, so each would be refused by itself.
    const long = Array.from({ length: 600 }, (_, i) => `${i}${'é'.repeat(500)}`);
    await Promise.all(ask(client, ...long));
    const batches = server.seen.slice(before).map(({ request }) => request as unknown as BatchAllocateOrdersRequest);
    const sizes = batches.map((batch) => BatchMessage.encode(batch).finish().length);
    expect(Math.max(...sizes)).toBeLessThan(256 * 1024);
    expect(Math.max(...sizes)).toBeGreaterThan(240 * 1024);
    expect(batches.flatMap(({ requests }) => requests)).toHaveLength(600);
  });

  it(
    'P7: 100,000 calls may be unanswered; a further one is refused at once, and was not done',
    { timeout: 60_000 },
    async () => {
      const server = await FakeServer.start({ batchAllocateOrders: ['silence'] });
      const client = server.client({ timeoutMs: 600_000, attemptTimeoutMs: 600_000 });
      const calls = Array.from({ length: 100_000 }, () => client.allocate({ storeId: 1 }));
      const ended = Promise.allSettled(calls);
      const [error] = await errorsOf([client.allocate({ storeId: 1 })]);
      expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: undefined, outcome: 'refused' });
      expect(error!.message).toContain('100000 allocations of this client have no answer yet');
      // Nobody reads the stacks of 100,000 errors.
      const { stackTraceLimit } = Error;
      onTestFinished(() => void (Error.stackTraceLimit = stackTraceLimit));
      Error.stackTraceLimit = 0;
      client.close();
      await ended;
    },
  );
});

type Results = ReturnType<typeof resultOf>[];

/** A server whose batches are answered by this. */
async function startBatches(answers: (request: BatchAllocateOrdersRequest) => readonly Ending[]): Promise<FakeServer> {
  const retried = ({ storeId, requestId }: AllocateOrdersRequest) =>
    answers({ requests: [{ storeId, requestId, count: 1 }] })[0]!;
  return FakeServer.start({ allocateOrder: [retried], batchAllocateOrders: [batchOf(answers)] });
}

function batchOf(answers: (request: BatchAllocateOrdersRequest) => readonly Ending[]) {
  return (request: BatchAllocateOrdersRequest): Ending => ({
    response: { results: answers(request).map((ending) => resultOf(ending as Exclude<Ending, 'silence'>)) },
  });
}

/** Answers to batches that wait until they are released. */
function holding() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    release: resolve,
    answer: async (request: BatchAllocateOrdersRequest) => (await promise, allGiven(request)),
  };
}

/** A client with as many calls under way as it may have; the keys of `sent` are in them. */
async function saturated(options: Partial<ClientOptions> = {}) {
  const held = holding();
  const server = await FakeServer.start({ ...ALL_GIVEN, batchAllocateOrders: [held.answer] });
  const client = server.client({ attemptTimeoutMs: 20_000, ...options });
  const sent: Promise<Allocated>[] = [];
  for (let call = 1; call <= MAX_CALLS; call++) {
    sent.push(...ask(client, `k${2 * call}`, `k${2 * call + 1}`));
    await server.call(call);
  }
  return { server, client, held, sent: ignored(sent).then(() => errorsOfSettled(sent)) };
}

/** One call per time limit, all in this turn: the limits and outcomes in the order in which the calls fail. */
async function lateOnes(client: OrderNumbersClient, times: readonly number[]): Promise<[number, string][]> {
  const late: [number, string][] = [];
  const calls = times.map(async (timeoutMs) => {
    const [error] = await errorsOf([client.allocate({ storeId: 1 }, { timeoutMs })]);
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    late.push([timeoutMs, error!.outcome]);
  });
  await Promise.all(calls);
  return late;
}

/** One call per key, all in this turn. */
function ask(client: OrderNumbersClient, ...keys: readonly string[]): Promise<Allocated>[] {
  return keys.map((requestId) => client.allocate({ storeId: 1, requestId }));
}

/** Waits for calls of which nobody asks how they ended. */
async function ignored(calls: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(calls);
}

async function errorsOfSettled(calls: readonly Promise<unknown>[]): Promise<OrderNumbersError[]> {
  const ends = await Promise.allSettled(calls);
  return ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as OrderNumbersError] : []));
}

/** The errors of calls that must fail. */
async function errorsOf(calls: readonly Promise<unknown>[]): Promise<OrderNumbersError[]> {
  const errors = await errorsOfSettled(calls);
  expect(errors).toHaveLength(calls.length);
  for (const error of errors) expect(error).toBeInstanceOf(OrderNumbersError);
  return errors;
}

function timersRunning(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

/** Distinct keys that begin with this prefix. */
function keysNamed(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** The keys of each call. */
function keysOf(seen: readonly Seen[]): string[][] {
  return seen
    .filter(({ method }) => method.startsWith('allocate') || method.startsWith('batch'))
    .map(({ request }) => keysIn(request));
}

function keysIn(request: Seen['request']): string[] {
  const { requests = [request] } = request as { requests?: readonly Seen['request'][] };
  return requests.map(({ requestId }) => String(requestId));
}

/** Resolves in the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Resolves when the server has got everything that the client has sent so far. */
async function roundTrip(client: OrderNumbersClient): Promise<void> {
  await turn();
  await client.getStore(1).catch(() => {});
}

/** The clock of the client stands still until it is advanced; timers go on. */
function frozenTime(): { advance(ms: number): void } {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  return { advance: (ms) => void vi.advanceTimersByTime(ms) };
}
