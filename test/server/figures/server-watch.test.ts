import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ActivityMeter } from '../../../src/server/figures/activity-meter.ts';
import type { ServerFigures } from '../../../src/server/figures/server-watch.ts';
import { ServerWatch } from '../../../src/server/figures/server-watch.ts';
import type { WatchServerResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { ServerState } from '../../../src/wire/gen/orders/v1/orders.ts';
import { packageVersion } from '../../../src/cli/run/version.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { holdCounter } from '../../support/postgres/held-counter.ts';

const BATCH = { allocated: 3, replayed: 1, createTimeMs: 0, ms: 2 };

describe('the watch of a server', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('sends a step at once and one per interval, which all watchers share', async () => {
    const { meter, open } = fakeWatch();
    const first = open();
    expect((await first.next()).value).toMatchObject({ lastOrderId: 1n, activity: undefined });
    meter.committed(BATCH);
    const waiting = first.next();
    await vi.advanceTimersByTimeAsync(1000);
    const shared = { seconds: 1, allocationsPerSecond: 3, replaysPerSecond: 1, batchSize: 4 };
    expect((await waiting).value).toMatchObject({ lastOrderId: 2n, activity: shared });
    // A second watcher begins with the interval that is known, and does not end the one in progress.
    meter.committed(BATCH);
    const second = open();
    expect((await second.next()).value).toMatchObject({ activity: shared });
    const both = [first.next(), second.next()];
    await vi.advanceTimersByTimeAsync(1000);
    expect((await Promise.all(both)).map(({ value }) => (value as ServerFigures).activity)).toMatchObject([
      shared,
      shared,
    ]);
  });

  it('skips what a slow watcher has not taken', async () => {
    const { open } = fakeWatch();
    const watcher = open();
    await watcher.next();
    await vi.advanceTimersByTimeAsync(5000);
    expect((await watcher.next()).value).toMatchObject({ lastOrderId: 2n, activity: { seconds: 1 } });
    let isNext = false;
    const waiting = watcher.next().then(() => (isNext = true));
    await vi.advanceTimersByTimeAsync(0);
    expect(isNext).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    await waiting;
  });

  it('measures only while someone watches', async () => {
    const { meter, open, controllers } = fakeWatch();
    const start = vi.spyOn(meter, 'start');
    const stop = vi.spyOn(meter, 'stop');
    const watchers = [open(), open()];
    for (const watcher of watchers) await watcher.next();
    expect([start.mock.calls.length, vi.getTimerCount()]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(1000);
    for (const watcher of watchers) expect((await watcher.next()).value).toMatchObject({ activity: { seconds: 1 } });
    const pending = watchers.map((watcher) => watcher.next());
    controllers[0]!.abort();
    expect(await pending[0]).toMatchObject({ done: true });
    expect([stop.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1]);
    controllers[1]!.abort();
    expect(await pending[1]).toMatchObject({ done: true });
    expect([stop.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0]);
    // What is known of the time before is not shown to a later watcher.
    expect((await open().next()).value).toMatchObject({ activity: undefined });
  });
});

describe.each(ENGINES)('WatchServer, on $name', (engine) => {
  it('tells what the server is and does', async () => {
    const server = new LocalServer(await engine.newLedger());
    const client = new GrpcClient(await server.serving());
    const steps = followed(client.stub.watchServer({}));
    await steps.until((step) => step !== undefined);
    await client.allocate(7n, 3, 'cart-1');
    await client.allocate(7n, 3, 'cart-1');
    await failureOf(client.allocate(7n, 0, 'cart-2'));
    // What is counted is in exactly one interval.
    const sum = (name: 'allocationsPerSecond' | 'replaysPerSecond' | 'refusalsPerSecond' | 'batchesPerSecond') =>
      Math.round(
        steps.seen.reduce((total, { activity }) => total + (activity ? activity[name] * activity.seconds : 0), 0),
      );
    await steps.until(() => sum('allocationsPerSecond') + sum('replaysPerSecond') + sum('refusalsPerSecond') === 3);
    expect([sum('allocationsPerSecond'), sum('replaysPerSecond'), sum('refusalsPerSecond')]).toEqual([1, 1, 1]);
    expect(sum('batchesPerSecond')).toBe(2);
    expect(steps.seen.at(-1)).toMatchObject({
      state: ServerState.SERVER_STATE_SERVING,
      reason: '',
      ledgerClosedSeconds: 0,
      lastOrderId: 3n,
      waitingRequests: 0,
      version: packageVersion(),
      engine: { SQLite: 'sqlite', PostgreSQL: 'postgres', DynamoDB: 'dynamodb' }[engine.name],
    });
    const measured = steps.seen.filter(({ activity }) => activity?.batchSize !== undefined);
    for (const { activity } of measured) {
      expect(activity).toMatchObject({ callP50Ms: expect.any(Number), callP99Ms: expect.any(Number), batchSize: 1 });
      expect(activity).toMatchObject({ commitP50Ms: expect.any(Number), commitP99Ms: expect.any(Number) });
    }
  });
});

it('WatchServer says why nothing is numbered', async () => {
  const grpc = await freeAddress();
  // Nothing listens at the address of the database.
  const server = new LocalServer(`postgres://orders@${await freeAddress()}/orders`, { args: ['--grpc-listen', grpc] });
  await server.line(/cannot be opened yet/);
  const client = new GrpcClient(grpc);
  const steps = followed(client.stub.watchServer({}));
  const calls = [1n, 2n].map((storeId) => client.stub.allocateOrder({ storeId, requestId: '' }, () => {}));
  const closed = { state: ServerState.SERVER_STATE_LEDGER_CLOSED, reason: 'database unreachable' };
  expect(await steps.until(({ waitingRequests }) => waitingRequests === 2)).toMatchObject(closed);
  expect(steps.seen.at(-1)!.ledgerClosedSeconds).toBeGreaterThan(0);
  for (const call of calls) call.cancel();
  await steps.until(({ waitingRequests }) => waitingRequests === 0);
});

it('WatchServer goes on while the server drains, and ends with DRAINING', async () => {
  const ledger = await POSTGRES.newLedger();
  const server = new LocalServer(ledger);
  const client = new GrpcClient(await server.serving());
  const steps = followed(client.stub.watchServer({}));
  const other = client.watch({});
  const counter = await holdCounter(ledger);
  // Its end does not matter: it keeps the server draining.
  client.allocate(7n).catch(() => {});
  await counter.isWaitedFor();
  void server.stop();
  expect(errorDetails(await failed(other))?.reason).toBe('DRAINING');
  const draining = { state: ServerState.SERVER_STATE_DRAINING };
  expect(await steps.until(({ reason }) => reason === 'draining')).toMatchObject(draining);
  await counter.release();
  expect(errorDetails(await steps.ended)?.reason).toBe('DRAINING');
  expect(await server.stop()).toBe(0);
});

/** A watch under fake timers; the last order_id is the number of intervals that began. */
function fakeWatch() {
  vi.useFakeTimers();
  const meter = new ActivityMeter();
  let steps = 0n;
  const watch = new ServerWatch(meter, () => ({
    state: 'serving',
    reason: '',
    ledgerClosedSeconds: 0,
    lastOrderId: ++steps,
    waitingRequests: 0,
    version: '1.0.0',
    engine: 'sqlite',
    startTimeMs: 0,
  }));
  const controllers: AbortController[] = [];
  const open = () => {
    const controller = new AbortController();
    controllers.push(controller);
    return watch.watch(controller.signal);
  };
  onTestFinished(() => controllers.forEach((controller) => controller.abort()));
  return { meter, open, controllers };
}

function failed(stream: ClientReadableStream<unknown>): Promise<ServiceError> {
  return new Promise((resolve) => void stream.on('error', resolve));
}

/** The steps of a watch until the test ends. */
function followed(stream: ClientReadableStream<WatchServerResponse>) {
  const seen: WatchServerResponse[] = [];
  const ended = failed(stream);
  stream.on('data', (step: WatchServerResponse) => seen.push(step));
  onTestFinished(() => stream.cancel());
  /** Resolves to the last step once it is the wanted one. */
  const until = async (isWanted: (step: WatchServerResponse) => boolean) => {
    await vi.waitUntil(() => seen.length > 0 && isWanted(seen.at(-1)!));
    return seen.at(-1)!;
  };
  return { seen, ended, until };
}
