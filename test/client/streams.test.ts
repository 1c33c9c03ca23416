import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { OrderNumbersError, VerifyStep } from '../../src/client/index.ts';
import type { ListAllocationsRequest } from '../../src/wire/gen/orders/v1/orders.ts';
import { ServerState, VerifyFindingKind } from '../../src/wire/gen/orders/v1/orders.ts';
import type { Ending, StreamScript } from './fake-server.ts';
import { allocation, bare, FakeServer, ours, store } from './fake-server.ts';

describe('lists', () => {
  it('fetch page after page, each retried until it is answered', async () => {
    const pages: Record<string, Ending> = {
      '': { response: { allocations: [allocation(1n), allocation(2n)], nextPageToken: 'b' } },
      b: { response: { allocations: [], nextPageToken: 'c' } },
      c: { response: { allocations: [allocation(3n)], nextPageToken: '' } },
    };
    const page = ({ pageToken }: ListAllocationsRequest) => pages[pageToken]!;
    const server = await FakeServer.start({ listAllocations: [page, bare(status.UNAVAILABLE), page] });
    const listed = await take(server.client().listAllocations({ storeId: 1, pageSize: 2 }));
    expect(listed.map(({ orderId }) => orderId)).toEqual([1n, 2n, 3n]);
    expect(server.seen.map(({ request }) => request)).toMatchObject(
      ['', 'b', 'b', 'c'].map((pageToken) => ({ storeId: 1n, pageSize: 2, pageToken })),
    );
  });

  it('fetch no further page than is consumed', async () => {
    const page: Ending = { response: { stores: [store(1n), store(2n)], nextPageToken: 'more' } };
    const server = await FakeServer.start({ listStores: [page] });
    for await (const { storeId } of server.client().listStores()) if (storeId === 2n) break;
    expect(server.seen).toHaveLength(1);
  });

  it('throw refusals of the server and what stops them', async () => {
    const server = await FakeServer.start({ listAllocations: [ours('STORE_ID_INVALID'), 'silence'] });
    const client = server.client();
    await expect(client.listAllocations({ storeId: 0 }).next()).rejects.toMatchObject({ reason: 'STORE_ID_INVALID' });
    const stop = new AbortController();
    const next = client.listAllocations({}, { signal: stop.signal }).next();
    const { cancelled } = await server.call(2);
    stop.abort();
    await expect(next).rejects.toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
    await cancelled;
  });
});

describe('watch', () => {
  it('P5: resumes from its cursor after broken connections, without missing or repeating anything', async () => {
    const server = await FakeServer.start(
      {},
      {
        watchAllocations: [
          { messages: [], ending: { code: status.UNAVAILABLE, details: 'not yet' } },
          { messages: [message([], 10n), message([11n, 12n], 12n)], ending: { code: status.UNAVAILABLE, details: '' } },
          { messages: [message([], 12n), message([], 20n)], ending: 'end' },
          { messages: [message([], 20n), message([21n], 21n)], ending: 'silence' },
        ],
      },
    );
    const steps = await take(server.client().watchAllocations({ storeId: 1 }), 6);
    expect(steps.flatMap(({ allocations }) => allocations.map(({ orderId }) => orderId))).toEqual([11n, 12n, 21n]);
    expect(steps.map(({ cursor }) => cursor)).toEqual([10n, 12n, 12n, 20n, 20n, 21n]);
    const asked = server.seen.map(({ request }) => [request['afterOrderId'], request['storeId']]);
    expect(asked).toEqual([
      [undefined, 1n],
      [undefined, 1n],
      [12n, 1n],
      [20n, 1n],
    ]);
    // The consumer stopped here, so the call is cancelled.
    await server.seen[3]!.cancelled;
  });

  it('reports every attempt that failed or broke off, but not its own end', async () => {
    const server = await FakeServer.start(
      {},
      {
        watchAllocations: [
          { messages: [], ending: { code: status.UNAVAILABLE, details: 'not yet' } },
          { messages: [message([], 1n)], ending: 'end' },
          { messages: [message([], 1n)], ending: 'silence' },
        ],
      },
    );
    const told: string[] = [];
    const onInterrupted = ({ code, message: said, outcome }: OrderNumbersError) =>
      void told.push(`${code} ${outcome} ${said}`);
    await take(server.client().watchAllocations({}, { onInterrupted }), 2);
    await server.seen[2]!.cancelled;
    expect(told).toEqual([
      'UNAVAILABLE refused UNAVAILABLE: not yet',
      'UNAVAILABLE refused UNAVAILABLE: the server ended the stream',
    ]);
  });

  it('starts at the given cursor; 0 means everything', async () => {
    const server = await FakeServer.start(
      {},
      { watchAllocations: [{ messages: [message([], 0n)], ending: 'silence' }] },
    );
    await take(server.client().watchAllocations({ afterOrderId: 0 }), 1);
    expect(server.seen[0]!.request['afterOrderId']).toBe(0n);
  });

  it.each(['return', 'signal'] as const)('ends on %s while it waits for a message', async (how) => {
    const server = await FakeServer.start(
      {},
      { watchAllocations: [{ messages: [message([], 1n)], ending: 'silence' }] },
    );
    const stop = new AbortController();
    const watch = server.client().watchAllocations({}, { signal: stop.signal });
    await watch.next();
    const pending = watch.next();
    if (how === 'return') await watch.return!();
    else stop.abort();
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    await server.seen[0]!.cancelled;
  });

  it('throws errors that reconnecting cannot fix, and when the client is closed', async () => {
    const refusal = (ours('STORE_ID_INVALID') as { refusal: object }).refusal;
    const scripts: StreamScript[] = [
      { messages: [], ending: refusal },
      { messages: [], ending: { code: status.UNIMPLEMENTED, details: 'no such method' } },
      { messages: [message([], 1n)], ending: 'silence' },
    ];
    const server = await FakeServer.start({}, { watchAllocations: scripts });
    const client = server.client();
    await expect(client.watchAllocations({ storeId: 0 }).next()).rejects.toMatchObject({ reason: 'STORE_ID_INVALID' });
    await expect(client.watchAllocations().next()).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
    const watch = client.watchAllocations();
    await watch.next();
    const pending = watch.next();
    client.close();
    await expect(pending).rejects.toMatchObject({ code: 'CANCELLED', cause: { message: 'the client was closed' } });
  });
});

describe('watchServer', () => {
  const activity = { seconds: 1.5, allocationsPerSecond: 2, replaysPerSecond: 1, refusalsPerSecond: 0.5 };
  const measured = { ...activity, batchesPerSecond: 3, batchSize: 2.5, commitP50Ms: 0.4, commitP99Ms: 0.9 };
  const step = {
    state: ServerState.SERVER_STATE_LEDGER_CLOSED,
    reason: 'disk full',
    ledgerClosedSeconds: 2.5,
    lastOrderId: 9007199254740993n,
    waitingRequests: 7,
    activity: undefined,
    version: '1.2.3',
    engine: 'sqlite',
    startTime: { seconds: 1795486198n, nanos: 201_000_000 },
  };

  it('yields typed steps, and reconnects after broken connections', async () => {
    const server = await FakeServer.start(
      {},
      {
        watchServer: [
          { messages: [step], ending: { code: status.UNAVAILABLE, details: 'gone' } },
          { messages: [{ ...step, state: 99 as ServerState, activity: measured }], ending: 'silence' },
        ],
      },
    );
    const told: string[] = [];
    const onInterrupted = ({ message: said }: OrderNumbersError) => void told.push(said);
    const steps = await take(server.client().watchServer({ onInterrupted }), 2);
    const shared = { ...step, startTime: new Date(1795486198201) };
    expect(steps).toEqual([
      { ...shared, state: 'ledger closed' },
      { ...shared, state: 'unknown', activity: { ...measured, callP50Ms: undefined, callP99Ms: undefined } },
    ]);
    expect(Object.keys(steps[1]!.activity!)).toContain('callP50Ms');
    expect(told).toEqual(['UNAVAILABLE: gone']);
  });

  it('throws what reconnecting cannot fix: a server that does not know the method', async () => {
    const server = await FakeServer.start({});
    await expect(server.client().watchServer().next()).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });
});

describe('verifyLedger', () => {
  const verdict = { asOfOrderId: 9n, rows: 8n, sequences: 2n, findings: 1n, ok: false };
  const finding = { kind: VerifyFindingKind.VERIFY_FINDING_KIND_HOLE, first: 4n, last: 4n, message: 'a hole' };

  it('yields every typed step up to the verdict', async () => {
    const server = await FakeServer.start(
      {},
      {
        verifyLedger: [
          {
            messages: [
              { event: { $case: 'progress', value: { rowsRead: 1n, orderId: 2n, endOrderId: 9n } } },
              { event: { $case: 'sequence', value: { storeId: 3n, first: 100n, last: 107n, count: 8n } } },
              { event: { $case: 'finding', value: finding } },
              { event: undefined },
              { event: { $case: 'declaredLoss', value: { first: 5n, last: 6n } } },
              { event: { $case: 'verdict', value: verdict } },
            ],
            ending: 'end',
          },
        ],
      },
    );
    const steps = await take(server.client().verifyLedger({ storeId: 3 }));
    expect(steps).toEqual([
      { kind: 'progress', rowsRead: 1n, orderId: 2n, endOrderId: 9n },
      { kind: 'sequence', storeId: 3n, first: 100n, last: 107n, count: 8n },
      { kind: 'finding', findingKind: 'hole', storeId: undefined, first: 4n, last: 4n, message: 'a hole' },
      { kind: 'declaredLoss', storeId: undefined, first: 5n, last: 6n },
      { kind: 'verdict', ...verdict },
    ] satisfies VerifyStep[]);
    expect(server.seen[0]!.request['storeId']).toBe(3n);
  });

  it('ends when the call has ended, which until then keeps the next one out, and however it ends', async () => {
    const answered = { event: { $case: 'verdict', value: verdict } };
    const server = await FakeServer.start(
      { getStore: [{ response: { store: store(1n) } }] },
      { verifyLedger: [{ messages: [answered], ending: 'silence' }] },
    );
    const client = server.client();
    const steps = client.verifyLedger();
    expect((await steps.next()).value).toMatchObject({ kind: 'verdict' });
    let hasEnded = false;
    const end = steps.next().finally(() => (hasEnded = true));
    await client.getStore(1);
    expect(hasEnded).toBe(false);
    server.stop();
    expect(await end).toEqual({ done: true, value: undefined });
  });

  it('throws if the verdict is missing, because a partial reading proves nothing', async () => {
    const progress = { event: { $case: 'progress', value: { rowsRead: 1n, orderId: 2n, endOrderId: 9n } } };
    const server = await FakeServer.start(
      {},
      {
        verifyLedger: [
          { messages: [progress], ending: 'end' },
          { messages: [progress], ending: { code: status.UNAVAILABLE, details: 'gone' } },
        ],
      },
    );
    const verify = () => take(server.client().verifyLedger());
    await expect(verify()).rejects.toMatchObject({ name: 'OrderNumbersError' } satisfies Partial<OrderNumbersError>);
    await expect(verify()).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused' });
  });
});

function message(orderIds: readonly bigint[], cursor: bigint) {
  return { allocations: orderIds.map((orderId) => allocation(orderId)), cursor };
}

/** The first `count` items, or all without a count; the iterator is returned then. */
async function take<T>(iterator: AsyncIterable<T>, count = Infinity): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterator) if (items.push(item) === count) break;
  return items;
}
