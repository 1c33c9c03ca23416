import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, vi } from 'vitest';
import type { Allocation, WatchAllocationsResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { WatchAllocationsRequest } from '../../../src/wire/gen/orders/v1/orders.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { framed, HostileClient } from '../../support/network/hostile-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { errorDetails, isServiceError } from '../../support/clients/orders-client.ts';
import { requireTools } from '../../support/required-tool.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

type Stream = ClientReadableStream<WatchAllocationsResponse>;

/** 300 MB if 150 watchers were sent all of them. */
const MANY_ORDERS = 12_000;

describe.each(ENGINES)('on $name', (engine) => {
  it('a watch sends its first message at once, with the starting cursor', async () => {
    const { client } = await serve(engine);
    expect(await first(client.watch({}))).toMatchObject({ allocations: [], cursor: 0n });
    await client.allocate(7n, 3);
    expect(await first(client.watch({}))).toMatchObject({ allocations: [], cursor: 3n });
    expect(await first(client.watch({ afterOrderId: 0n }))).toMatchObject({ cursor: 0n });
    expect(await first(client.watch({ afterOrderId: 1000n }))).toMatchObject({ allocations: [], cursor: 1000n });
  });

  it('history is followed by live allocations without a gap or a repetition, for all stores and for each', async () => {
    const { client } = await serve(engine);
    for (let i = 0; i < 5; i++) {
      const some = Array.from({ length: 10 }, (_, k) => ({ storeId: BigInt((k % 3) + 1), count: ((i + k) % 4) + 1 }));
      await client.batch(...some);
    }
    const watchers: [Watcher, bigint | undefined][] = [];
    const done = new AbortController();
    const load = Array.from({ length: 6 }, async (_, i) => {
      for (let n = 0; !done.signal.aborted || n < 40; n++) await client.allocate(BigInt((i % 3) + 1), (n % 4) + 1);
    });
    // They begin while numbers are allocated, so that the seam is in another place each time.
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

  it('a watch from any cursor, even inside a run, continues with what ends above it', async () => {
    const { client } = await serve(engine);
    // Both stores have runs of each length.
    for (let i = 0; i < 7; i++) await client.allocate(BigInt((i % 2) + 1), (i % 3) + 1);
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
    const { client } = await serve(engine);
    const watcher = new Watcher(client.watch({ afterOrderId: 3n }));
    await watcher.reached(3n);
    await client.allocate(7n, 2);
    await client.allocate(7n, 2);
    await client.allocate(7n);
    await watcher.reached(5n);
    expect(watcher.seen.map(({ orderId }) => orderId)).toEqual([3n, 5n]);
  });

  it('the cursor advances even if nothing matches', async () => {
    const { client } = await serve(engine);
    const watcher = new Watcher(client.watch({ storeId: 8n }));
    await watcher.reached(0n);
    await client.allocate(7n, 10);
    await watcher.reached(10n);
    expect(watcher.seen).toEqual([]);
  });

  it('a reader that stops reading delays no other, costs the server little, and misses nothing', async () => {
    const { client, server } = await serve(engine);
    const slow = client.watch({ afterOrderId: 0n });
    slow.pause();
    const quick = new Watcher(client.watch({ afterOrderId: 0n }));
    await quick.reached(0n);
    // As long as possible, so that few of them fill the buffers between server and reader.
    const load = Array.from({ length: 16 }, async (_, i) => {
      for (let n = 0; n < 20; n++) {
        const requestIds = [...'0123456789'].map((digit) => `${i}-${n}-${digit}`.padEnd(128, '-'));
        await client.batch(...requestIds.map((requestId) => ({ storeId: BigInt(i + 1), requestId })));
      }
    });
    await Promise.all(load);
    await quick.reached(3200n);
    expect(quick.seen).toHaveLength(3200);
    const late = new Watcher(slow);
    slow.resume();
    await late.reached(3200n);
    expect(late.seen.map(({ orderId }) => orderId)).toEqual(quick.seen.map(({ orderId }) => orderId));
    expect(await server.stop()).toBe(0);
  });

  it('any number of clients that never read cost the server little, and are counted', async (test) => {
    requireTools(test, 'linux');
    const ledger = await engine.newLedger();
    const server = new ServerProcess(ledger);
    const address = await server.serving();
    const client = new GrpcClient(address);
    await engine.addOrders(ledger, MANY_ORDERS);
    const residentMb = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1e3;
    const hostile = await HostileClient.connect(address);
    const request = framed(WatchAllocationsRequest.encode({ afterOrderId: 0n, storeId: undefined }).finish());
    for (let i = 0; i < 150; i++) {
      // The stream is not read, so the server can send no more than its window.
      hostile.open({}, '/orders.v1.OrderNumberService/WatchAllocations').end(request);
    }
    await hostile.ping();
    const before = residentMb();
    // As many reads as the server has for all watches; then everything that can wait does.
    await answered(() => new Watcher(client.watch({ afterOrderId: 0n })).reached(12_000n));
    for (let i = 0; i < 50; i++) await answered(() => client.listAllocations({ pageSize: 1 }));
    expect(residentMb() - before).toBeLessThan(250);
    expect((await answered(() => client.allocate(7n))).allocation.orderId).toBe(12_001n);
  });

  it('P10: 200 concurrent watchers see everything', async () => {
    const { client } = await serve(engine);
    const watchers = Array.from({ length: 200 }, (_, i) => {
      const storeId = BigInt((i % 20) + 1);
      return { storeId, watcher: new Watcher(client.watch({ storeId })) };
    });
    await Promise.all(watchers.map(({ watcher }) => watcher.reached(0n)));
    for (let i = 0; i < 10; i++) {
      await Promise.all(Array.from({ length: 20 }, (_, k) => client.allocate(BigInt(k + 1))));
    }
    await Promise.all(watchers.map(({ watcher }) => watcher.reached(180n)));
    for (const { watcher, storeId } of watchers) {
      await watcher.sees(10);
      expect(watcher.seen.every((allocation) => allocation.storeId === storeId)).toBe(true);
    }
  });

  it('a watch ends with DRAINING when the server stops, which does not wait for it', async () => {
    const { client, server } = await serve(engine);
    const stream = client.watch({});
    const watcher = new Watcher(stream);
    await watcher.reached(0n);
    const stopped = server.stop();
    const error = await watcher.ended;
    expect(isServiceError(error) && [error.code, errorDetails(error)?.reason]).toEqual([
      status.UNAVAILABLE,
      'DRAINING',
    ]);
    expect(await stopped).toBe(0);
  });

  it('a cancelled watch is released, and the next ones are served', async () => {
    const { client, server } = await serve(engine);
    for (let i = 0; i < 100; i++) {
      const stream = client.watch({ afterOrderId: 0n });
      await first(stream);
      stream.cancel();
    }
    await client.allocate(7n);
    const watcher = new Watcher(client.watch({ afterOrderId: 0n }));
    await watcher.reached(1n);
    expect(await server.stop()).toBe(0);
    // Before that the engine logs its own warnings.
    const serving = server.log.findIndex(({ msg }) => msg === 'serving');
    expect(server.log.slice(serving).filter(({ level }) => level > 30)).toEqual([]);
  });

  it('an invalid watch is refused', async () => {
    const { client } = await serve(engine);
    const requests = [
      [{ storeId: 0n }, 'STORE_ID_INVALID'],
      [{ storeId: -1n }, 'STORE_ID_INVALID'],
      [{ afterOrderId: -1n }, 'ORDER_ID_INVALID'],
    ] as const;
    for (const [request, reason] of requests) {
      const error = await new Watcher(client.watch(request)).ended;
      expect([request, isServiceError(error) && errorDetails(error)?.reason]).toEqual([request, reason]);
    }
  });
});

/** Records the messages of a stream. */
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

  /** Resolves when the cursor has arrived there. */
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
    const early = this.ended.then((error) => {
      throw error ?? new Error(`the watch ended at cursor ${this.#cursor}`);
    });
    await Promise.race([met.promise, early]);
    this.#onMessage.delete(look);
  }
}

/**
 * Asks again, as our client does, while the server reopens its ledger: dynalite is in the process of the tests, and on a busy
 * machine it needs longer for 12,000 orders than a server waits.
 */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const attempt = () =>
    ask().then(
      (answer) => ({ answer }),
      (error: unknown) => {
        if (isServiceError(error) && errorDetails(error)?.reason === 'LEDGER_REOPENING') throw error;
        return { error };
      },
    );
  const end = await vi.waitFor(attempt, { timeout: 120_000, interval: 100 });
  if ('error' in end) throw end.error;
  return end.answer;
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

async function serve(engine: Engine) {
  const server = new LocalServer(await engine.newLedger());
  return { server, client: new GrpcClient(await server.serving()) };
}
