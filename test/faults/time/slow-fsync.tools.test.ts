import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { FsyncShim } from '../../support/disk/fsync-shim.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { requireTools } from '../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Durations } from './durations.ts';
import { attempt } from './one-attempt.ts';

const RUN = faultRun('time', { short: 1, long: 40 });
/** In the short form it hangs until all is asked that is asked meanwhile. */
const HANGS_MS = RUN.isLong ? 5000 : 0;
/** An answer in the middle may take this long, or on a machine that is slower than that, three times what it takes otherwise. */
const LIMIT_MS = 100;
const LIMIT_FACTOR = 3;
const MAX_QUEUE = 50;
const CALLS = 3 * MAX_QUEUE;
const QUESTIONS = 10;

/** The main thread syncs the WAL itself, too. */
const ON_THE_EVENT_LOOP: Patch = {
  file: 'src/engines/sqlite/sqlite-ledger.ts',
  find: "const answer = await this.#write('commit', packRequests(batch));",
  replace: `const { fsyncSync, openSync } = process.getBuiltinModule('node:fs');
    const committed = this.#write('commit', packRequests(batch));
    fsyncSync(openSync(this.#files.wal, 'r'));
    const answer = await committed;`,
};

it(
  'P1 P2 P4 P5 P6 P10: while an fsync hangs health, reads and new connections are answered, the queue is bounded, and all is answered once afterwards',
  async (test) => {
    requireTools(test, 'gcc', 'linux');
    const tally = new Tally(RUN, test.task.name);
    const { address, ledger, shim } = await serve();
    const client = connect(address);
    onTestFinished(() => client.close());
    const grpc = new GrpcClient(address);
    const history = new History();
    const [healthBefore, readsBefore] = [new Durations('health'), new Durations('a read')];
    const [health, reads] = [new Durations('health'), new Durations('a read')];
    const askHealth = () => client.checkHealth();
    const readOne = () => grpc.call(grpc.stub.getAllocation, { key: { $case: 'orderId', value: 1n } });
    expect(await attempt(client, history, 'first')).toBe(status.OK);
    for (let round = 0; round < RUN.rounds; round++) {
      for (let i = 0; i < QUESTIONS; i++) {
        await healthBefore.of(askHealth);
        await readsBefore.of(readOne);
      }
      const before = shim.hits('fsync-hangs');
      shim.arm('fsync-hangs');
      const end = performance.now() + HANGS_MS;
      let isPending = true;
      const held = attempt(client, history, `held-${round}`).finally(() => (isPending = false));
      await shim.hit('fsync-hangs', before);
      const calls = Array.from({ length: CALLS }, (_, i) => attempt(client, history, `${round}-${i}`));
      for (let i = 0; i < QUESTIONS || performance.now() < end; i++) {
        expect(await health.of(askHealth)).toBe('SERVING');
        await reads.of(readOne);
      }
      const another = connect(address);
      expect(await another.checkHealth()).toBe('SERVING');
      another.close();
      expect(isPending).toBe(true);
      shim.disarm();
      expect(await held).toBe(status.OK);
      const codes = await Promise.all(calls);
      expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED)).toHaveLength(CALLS - MAX_QUEUE);
      expect(codes.filter((code) => code === status.OK)).toHaveLength(MAX_QUEUE);
      tally.inject(RUN.isLong ? 'an fsync that takes 5 seconds' : 'an fsync that hangs');
      tally.inject('a call that found the queue full', CALLS - MAX_QUEUE);
      tally.progress(round);
    }
    tally.count(assertHistory(history, assertDense(ledger)));
    const isLate = await heldUp(client);
    const says = `health of one server is late; without it, ${health.text()}, and ${reads.text()}`;
    tally.control('the event loop waits for the fsync', isLate, says);
    expect(health.medianMs).toBeLessThan(Math.max(LIMIT_MS, LIMIT_FACTOR * healthBefore.medianMs));
    expect(reads.medianMs).toBeLessThan(Math.max(LIMIT_MS, LIMIT_FACTOR * readsBefore.medianMs));
    tally.end();
  },
  timeoutMs(RUN),
);

/**
 * Whether a server whose event loop syncs, too, leaves a health check open, while an fsync hangs, until another server has
 * answered many.
 */
async function heldUp(other: OrdersClient): Promise<boolean> {
  const { address, shim } = await serve([ON_THE_EVENT_LOOP]);
  const client = connect(address);
  onTestFinished(() => client.close());
  expect(await client.checkHealth()).toBe('SERVING');
  shim.arm('fsync-hangs');
  const held = attempt(client, new History(), 'held');
  // The writer's, and that of the main thread.
  await shim.hit('fsync-hangs', 1);
  let isOpen = true;
  const answered = client.checkHealth().finally(() => (isOpen = false));
  for (let i = 0; i < 5 * QUESTIONS; i++) await other.checkHealth();
  const isLate = isOpen;
  shim.disarm();
  await Promise.all([answered, held]);
  return isLate;
}

async function serve(patches: readonly Patch[] = []) {
  const ledger = join(testFolder(), 'orders.db');
  const shim = new FsyncShim();
  const args = ['--http-listen', 'off', '--metrics-listen', 'off', '--max-queue', String(MAX_QUEUE)];
  const env = { ...(patches.length > 0 && patchedBy(patches)), ...shim.env };
  return { ledger, shim, address: await new ServerProcess(ledger, { args, env }).serving() };
}
