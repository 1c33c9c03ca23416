import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { pause, resume } from '../../support/processes/stopped-process.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { CallerProcess } from './caller-process.ts';
import { attempt } from './one-attempt.ts';
import { ServerClock } from './server-clock.ts';

const RUN = faultRun('time', { short: 1, long: 60 });
/** Calls of one client, each with its own deadline: those that expire while the server is stopped, and those that wait. */
const EXPIRING = 10;
const LASTING = 10;
const OF_CALLER = 5;
const SHORT_MS = 1500;

const NOT_DROPPED: Patch = {
  file: 'src/server/grpc/handlers.ts',
  find: 'return this.#rpc.cancelled || performance.now() >= this.#deadlineMs;',
  replace: 'return false;',
};

it(
  'P1 P2 P4 P5 P6: a stopped server and a stopped client go on: all is answered once, and calls that expired burn nothing',
  async ({ task }) => {
    const tally = new Tally(RUN, task.name);
    const room = await serve();
    for (let round = 0; round < RUN.rounds; round++) {
      const expired = await stopBoth(room, `r${round}`, true);
      tally.inject('a server stopped under load');
      tally.inject('a client stopped with calls under way');
      tally.inject('a call that expired meanwhile', expired.length);
      const burned = assertDense(room.ledger).filter(({ request_id }) => expired.includes(request_id));
      expect(burned).toEqual([]);
      tally.progress(round);
    }
    tally.count(assertHistory(room.history, assertDense(room.ledger)));

    const control = await serve([NOT_DROPPED]);
    const expired = await stopBoth(control, 'control', false);
    const burned = assertDense(control.ledger).filter(({ request_id }) => expired.includes(request_id));
    const says = `${burned.length} of ${expired.length} expired calls took a number`;
    tally.control('calls that expired in the queue are not dropped', burned.length > 0, says);
    tally.end();
  },
  timeoutMs(RUN),
);

interface Room {
  readonly ledger: string;
  readonly address: string;
  readonly server: ServerProcess;
  readonly clock: ServerClock;
  readonly client: OrdersClient;
  readonly history: History;
  queueLength(): Promise<number>;
}

async function serve(patches: readonly Patch[] = []): Promise<Room> {
  const ledger = join(testFolder(), 'orders.db');
  const clock = new ServerClock(patches.length > 0 ? patchedBy(patches) : {});
  const server = new ServerProcess(ledger, { args: ['--http-listen', 'off'], env: clock.env });
  const { grpc, metrics } = await server.line('serving');
  const client = connect(String(grpc));
  onTestFinished(() => client.close());
  const queueLength = async () => {
    const page = await (await fetch(`http://${String(metrics)}/metrics`)).text();
    return Number(/^order_numbers_queue_length (\d+)/m.exec(page)?.[1]);
  };
  return { ledger, address: String(grpc), server, clock, client, history: new History(), queueLength };
}

/**
 * One commit is held, other calls queue behind it; then the server is stopped, and with it the client of some. Both go on
 * when the deadlines of ten calls have passed. Returns their keys.
 */
async function stopBoth(room: Room, name: string, withClient: boolean): Promise<string[]> {
  const { server, clock, address, history, queueLength } = room;
  const call = (kind: string, length: number, deadlineMs?: number) =>
    Array.from({ length }, (_, i) => attempt(room.client, history, `${name}-${kind}-${i}`, deadlineMs));
  clock.holdCommits();
  const held = call('held', 1);
  await clock.commitIsHeld();
  const caller = withClient ? new CallerProcess(address, `${name}-caller`, OF_CALLER, history) : undefined;
  const waiting = withClient ? OF_CALLER : 0;
  await until('the calls of the client wait', async () => (await queueLength()) === waiting);
  if (caller) await pause(caller.child);
  const lasting = call('lasting', LASTING);
  await until('the lasting calls wait', async () => (await queueLength()) === waiting + LASTING);
  const expiring = call('expired', EXPIRING, SHORT_MS);
  let hasExpired = false;
  void Promise.race(expiring).then(() => (hasExpired = true));
  await until('the others wait, too', async () => hasExpired || (await queueLength()) > waiting + LASTING);
  await pause(server.child);
  const pausedAt = performance.now();
  const late = call('late', LASTING);
  const codes = await Promise.all(expiring);
  expect(codes).not.toContain(status.OK);
  // The server counts from the arrival of a call, which may be later than its start.
  await until('their deadlines have passed for the server, too', () => performance.now() > pausedAt + SHORT_MS);
  clock.goesOn();
  resume(server.child);
  expect(new Set(await Promise.all([...held, ...lasting, ...late]))).toEqual(new Set([status.OK]));
  if (caller) resume(caller.child);
  expect(caller ? await caller.ended() : 0).toBe(0);
  expect(await room.client.checkHealth()).toBe('SERVING');
  return codes.map((_, i) => `${name}-expired-${i}`);
}
