import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { FsyncShim } from '../../support/disk/fsync-shim.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { requireTools } from '../../support/required-tool.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { attempt } from './one-attempt.ts';
import type { Check } from './probes.ts';
import { expectInTime, isLate, Probes, textOf } from './probes.ts';

const RUN = faultRun('time', { short: 1, long: 40 });
/** In the short form it hangs until all is asked that is asked meanwhile. */
const HANGS_MS = RUN.isLong ? 5000 : 0;
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
    const { address, ledger, shim, pid } = await serve();
    const client = connect(address);
    onTestFinished(() => client.close());
    const probes = new Probes(address, pid);
    const history = new History();
    const before: Check[] = [];
    const during: Check[] = [];
    expect(await attempt(client, history, 'first')).toBe(status.OK);
    // Their first answers take as long as a connection does.
    await probes.ask(QUESTIONS, 'health', 'a read');
    for (let round = 0; round < RUN.rounds; round++) {
      before.push(...(await probes.ask(QUESTIONS, 'health', 'a read')));
      const hits = shim.hits('fsync-hangs');
      shim.arm('fsync-hangs');
      const end = performance.now() + HANGS_MS;
      let isPending = true;
      const held = attempt(client, history, `held-${round}`).finally(() => (isPending = false));
      await shim.hit('fsync-hangs', hits);
      let refused = 0;
      const calls = Array.from({ length: CALLS }, async (_, i) => {
        const code = await attempt(client, history, `${round}-${i}`);
        if (code === status.RESOURCE_EXHAUSTED) refused++;
        return code;
      });
      await until('the queue is full', () => refused === CALLS - MAX_QUEUE);
      do during.push(...(await probes.ask(QUESTIONS, 'health', 'a read')));
      while (performance.now() < end);
      const another = connect(address);
      expect(await another.checkHealth()).toBe('SERVING');
      another.close();
      expect(isPending).toBe(true);
      shim.disarm();
      expect(await held).toBe(status.OK);
      const codes = await Promise.all(calls);
      expect(codes.filter((code) => code === status.OK)).toHaveLength(MAX_QUEUE);
      tally.inject(RUN.isLong ? 'an fsync that takes 5 seconds' : 'an fsync that hangs');
      tally.inject('a call that found the queue full', CALLS - MAX_QUEUE);
      tally.progress(round);
    }
    tally.count(assertHistory(history, assertDense(ledger)));
    const late = await heldUp(probes);
    const says = `${textOf(late)}; without it, ${textOf(during)}`;
    tally.control('the event loop waits for the fsync', isLate(late, before), says);
    expectInTime(during, before, 'SERVING', 'found');
    tally.end();
  },
  timeoutMs(RUN),
);

/**
 * A health check of a server whose event loop syncs, too: an fsync hangs until the other server has answered many.
 */
async function heldUp(other: Probes): Promise<readonly Check[]> {
  const { address, shim, pid } = await serve([ON_THE_EVENT_LOOP]);
  const client = connect(address);
  onTestFinished(() => client.close());
  const probes = new Probes(address, pid);
  await probes.ask(QUESTIONS, 'health');
  shim.arm('fsync-hangs');
  const held = attempt(client, new History(), 'held');
  // The writer's, and that of the main thread.
  await shim.hit('fsync-hangs', 1);
  const checks = probes.ask(1, 'health');
  await other.ask(5 * QUESTIONS, 'health');
  shim.disarm();
  await held;
  return checks;
}

async function serve(patches: readonly Patch[] = []) {
  const ledger = join(testFolder(), 'orders.db');
  const shim = new FsyncShim();
  const args = ['--http-listen', 'off', '--metrics-listen', 'off', '--max-queue', String(MAX_QUEUE)];
  const env = { ...(patches.length > 0 && patchedBy(patches)), ...shim.env };
  const server = new ServerProcess(ledger, { args, env });
  return { ledger, shim, address: await server.serving(), pid: server.child.pid! };
}
