import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { makeLedger } from '../../bench/make-ledger.ts';
import type { Allocation, WatchAllocationsResponse } from '../../src/gen/orders/v1/orders.ts';
import { WatchAllocationsRequest } from '../../src/gen/orders/v1/orders.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { framed, HostileClient } from '../support/hostile-client.ts';
import { errorDetails, isServiceError } from '../support/orders-client.ts';
import { requireTools } from '../support/required-tool.ts';
import { ServerProcess, testFolder } from '../support/server-process.ts';

type Stream = ClientReadableStream<WatchAllocationsResponse>;

it('the first message comes at once, with the starting cursor', async () => {
  const { client } = await serve();
  expect(await first(client.watch({}))).toMatchObject({ allocations: [], cursor: 0n });
  await client.allocate(7n, 3);
  expect(await first(client.watch({}))).toMatchObject({ allocations: [], cursor: 3n });
  expect(await first(client.watch({ afterOrderId: 0n }))).toMatchObject({ cursor: 0n });
  expect(await first(client.watch({ afterOrderId: 1000n }))).toMatchObject({ allocations: [], cursor: 1000n });
});

it('history, then live, without a gap or a repetition across the seam, for all and for each store', async () => {
  const { client } = await serve();
  for (let i = 0; i < 50; i++) await client.allocate(BigInt((i % 3) + 1), (i % 4) + 1);
  const watchers: [Watcher, bigint | undefined][] = [];
  const done = new AbortController();
  const load = Array.from({ length: 6 }, async (_, i) => {
    for (let n = 0; !done.signal.aborted || n < 200; n++) await client.allocate(BigInt((i % 3) + 1), (n % 4) + 1);
  });
  // They begin while numbers are given, so that the seam is somewhere else each time.
  for (let i = 0; i < 24; i++) {
    const storeId = i % 4 === 0 ? undefined : BigInt(i % 4);
    watchers.push([new Watcher(client.watch({ afterOrderId: 0n, storeId })), storeId]);
    await client.allocate(1n);
  }
  done.abort();
  await Promise.all(load);
  const all = await listAll(client);
  const end = endOf(all.at(-1)!);
  for (const [watcher, storeId] of watchers) {
    await watcher.reached(end);
    const expected = all.filter((allocation) => storeId === undefined || allocation.storeId === storeId);
    expect(watcher.seen.map(({ orderId }) => orderId)).toEqual(expected.map(({ orderId }) => orderId));
    expect(watcher.seen).toEqual(expected);
  }
});

it('from every cursor, also inside a run, it goes on with what ends above it', async () => {
  const { client } = await serve();
  for (let i = 0; i < 12; i++) await client.allocate(BigInt((i % 2) + 1), (i % 3) + 1);
  const all = await listAll(client);
  const end = endOf(all.at(-1)!);
  for (let afterOrderId = 0n; afterOrderId <= end; afterOrderId++) {
    for (const storeId of [undefined, 1n, 2n]) {
      const stream = client.watch({ afterOrderId, storeId });
      const watcher = new Watcher(stream);
      await watcher.reached(end);
      stream.cancel();
      const expected = all.filter(
        (allocation) => endOf(allocation) > afterOrderId && (storeId === undefined || allocation.storeId === storeId),
      );
      expect(watcher.seen).toEqual(expected);
    }
  }
});

it('a cursor above the end waits for what comes above it', async () => {
  const { client } = await serve();
  const watcher = new Watcher(client.watch({ afterOrderId: 3n }));
  await watcher.reached(3n);
  await client.allocate(7n, 2);
  await client.allocate(7n, 2);
  await client.allocate(7n);
  await watcher.reached(5n);
  expect(watcher.seen.map(({ orderId }) => orderId)).toEqual([3n, 5n]);
});

it('where nothing matches, the cursor still moves on', async () => {
  const { client } = await serve();
  const watcher = new Watcher(client.watch({ storeId: 8n }));
  await watcher.reached(0n);
  await client.allocate(7n, 10);
  await watcher.reached(10n);
  expect(watcher.seen).toEqual([]);
});

it('a reader that stops reading delays nobody, costs the server little, and misses nothing', async () => {
  const { client, server } = await serve();
  const slow = client.watch({ afterOrderId: 0n });
  slow.pause();
  const quick = new Watcher(client.watch({ afterOrderId: 0n }));
  await quick.reached(0n);
  const load = Array.from({ length: 16 }, async (_, i) => {
    for (let n = 0; n < 1500; n++) await client.allocate(BigInt(i + 1));
  });
  await Promise.all(load);
  await quick.reached(24_000n);
  expect(quick.seen).toHaveLength(24_000);
  const late = new Watcher(slow);
  slow.resume();
  await late.reached(24_000n);
  expect(late.seen.map(({ orderId }) => orderId)).toEqual(quick.seen.map(({ orderId }) => orderId));
  expect(await server.stop()).toBe(0);
});

it('clients that never read cost the server little, however many they are, and are counted', async (test) => {
  requireTools(test, 'linux');
  const path = join(testFolder(), 'orders.db');
  makeLedger(path, { rows: 100_000, stores: 10 });
  const server = new ServerProcess(path);
  const address = await server.serving();
  const residentMb = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1e3;
  const hostile = await HostileClient.connect(address);
  const request = framed(WatchAllocationsRequest.encode({ afterOrderId: 0n, storeId: undefined }).finish());
  for (let i = 0; i < 300; i++) {
    // Nobody reads it: the stream's window stays as it is, and the server can send no more than that.
    hostile.open({}, '/orders.v1.OrderNumberService/WatchAllocations').end(request);
  }
  await hostile.ping();
  const client = new GrpcClient(address);
  const before = residentMb();
  // As many reads as the server has for all of them; then everything that can wait does.
  const watcher = new Watcher(client.watch({ afterOrderId: 0n }));
  await watcher.reached(100_000n);
  for (let i = 0; i < 200; i++) await client.listAllocations({ pageSize: 1000 });
  expect(residentMb() - before).toBeLessThan(250);
  expect((await client.allocate(7n)).allocation.orderId).toBe(100_001n);
});

it('P10: 200 watchers at once see everything', async () => {
  const { client } = await serve();
  const watchers = Array.from({ length: 200 }, (_, i) => {
    const storeId = BigInt((i % 20) + 1);
    return { storeId, watcher: new Watcher(client.watch({ storeId })) };
  });
  await Promise.all(watchers.map(({ watcher }) => watcher.reached(0n)));
  for (let i = 0; i < 200; i++) await client.allocate(BigInt((i % 20) + 1));
  await Promise.all(watchers.map(({ watcher }) => watcher.reached(180n)));
  for (const { watcher, storeId } of watchers) {
    await watcher.sees(10);
    expect(watcher.seen.every((allocation) => allocation.storeId === storeId)).toBe(true);
  }
});

it('ends with DRAINING when the server stops, which does not wait for it', async () => {
  const { client, server } = await serve();
  const stream = client.watch({});
  const watcher = new Watcher(stream);
  await watcher.reached(0n);
  const stopped = server.stop();
  const error = await watcher.ended;
  expect(isServiceError(error) && [error.code, errorDetails(error)?.reason]).toEqual([status.UNAVAILABLE, 'DRAINING']);
  expect(await stopped).toBe(0);
});

it('a watch that is cancelled is gone, and the next ones are served', async () => {
  const { client, server } = await serve();
  for (let i = 0; i < 300; i++) {
    const stream = client.watch({ afterOrderId: 0n });
    await first(stream);
    stream.cancel();
  }
  await client.allocate(7n);
  const watcher = new Watcher(client.watch({ afterOrderId: 0n }));
  await watcher.reached(1n);
  expect(await server.stop()).toBe(0);
  expect(server.log.filter(({ level }) => level > 30)).toEqual([]);
});

it.each([
  [{ storeId: 0n }, 'STORE_ID_INVALID'],
  [{ storeId: -1n }, 'STORE_ID_INVALID'],
  [{ afterOrderId: -1n }, 'ORDER_ID_INVALID'],
] as const)('%o is refused with %s', async (request, reason) => {
  const { client } = await serve();
  const error = await new Watcher(client.watch(request)).ended;
  expect(isServiceError(error) && errorDetails(error)?.reason).toBe(reason);
});

/** Keeps what a stream says. */
class Watcher {
  readonly seen: Allocation[] = [];
  /** Resolves to the error that the stream ended with, or to undefined. */
  readonly ended: Promise<unknown>;
  #cursor = -1n;
  #onMessage = new Set<() => void>();

  constructor(stream: Stream) {
    stream.on('data', ({ allocations, cursor }: WatchAllocationsResponse) => {
      if (cursor < this.#cursor) throw new Error(`the cursor went back from ${this.#cursor} to ${cursor}`);
      this.seen.push(...allocations);
      this.#cursor = cursor;
      for (const listener of this.#onMessage) listener();
    });
    this.ended = new Promise((resolve) => {
      stream.once('error', resolve);
      stream.once('end', () => resolve(undefined));
    });
  }

  /** Resolves when the cursor is there. */
  reached(cursor: bigint): Promise<void> {
    return this.#until(() => this.#cursor >= cursor);
  }

  sees(allocations: number): Promise<void> {
    return this.#until(() => this.seen.length >= allocations);
  }

  async #until(condition: () => boolean): Promise<void> {
    const met = Promise.withResolvers<void>();
    const look = () => condition() && met.resolve();
    this.#onMessage.add(look);
    look();
    await met.promise;
    this.#onMessage.delete(look);
  }
}

async function first(stream: Stream): Promise<WatchAllocationsResponse> {
  const [message] = (await once(stream, 'data')) as [WatchAllocationsResponse];
  return message;
}

async function listAll(client: GrpcClient): Promise<Allocation[]> {
  const all: Allocation[] = [];
  for (let pageToken = ''; ;) {
    const page = await client.listAllocations({ pageSize: 1000, pageToken });
    all.push(...page.allocations);
    pageToken = page.nextPageToken;
    if (pageToken === '') return all;
  }
}

function endOf({ orderId, count }: Allocation): bigint {
  return orderId + BigInt(count) - 1n;
}

async function serve() {
  const server = new ServerProcess(join(testFolder(), 'orders.db'));
  return { server, client: new GrpcClient(await server.serving()) };
}
