import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../../../support/processes/server-process.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { until } from '../../../support/until.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Random } from '../../frame/random.ts';
import { Tally } from '../../frame/tally.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { patchedBy } from '../../../support/patched-modules.ts';
import { CONTROLS } from '../calls/controls.ts';
import type { CallFault } from '../calls/fault-slots.ts';
import { compileCallFaults, FaultSlot } from '../calls/fault-slots.ts';
import { nameOf } from '../calls/every-call.ts';
import { LoadedServer } from './loaded-server.ts';
import { FragileDisk, SmallDisk } from './own-disks.ts';

const RUN = faultRun('disk', { short: 2, long: 40 });
const ANSWERS = 60;
const SMALL_MB = 24;
/** ext4 needs some for itself. */
const FRAGILE_MB = 24;
/** Fewer than a large batch needs. */
const MAX_BLOCKS_LEFT = 24;
const MAX_SAID = 300;

it(
  'P1 P2 P3 P4 P5 P7: a server whose disk is full goes on by itself when there is space',
  async (test) => {
    requireTools(test, 'root', 'linux');
    const tally = new Tally(RUN, test.task.name);
    const random = new Random(RUN.seed);
    const disk = new SmallDisk(SMALL_MB);
    const loaded = await LoadedServer.start(disk.folder, {}, RUN.seed);
    await eachRound(loaded, tally, async () => {
      const before = loaded.complaints;
      disk.fill(random.below(MAX_BLOCKS_LEFT));
      await loaded.complains(before);
      disk.free();
      tally.inject('full disk, space given back');
    });
    expect(loaded.server.child.exitCode).toBeNull();
    tally.count(await loaded.end());
    tally.end();
  },
  timeoutMs(RUN),
);

it(
  'P1 P2 P3 P4 P5 P7: a server whose file system becomes read-only says so, and nothing is lost when it is repaired',
  async (test) => {
    requireTools(test, 'root', 'loop', 'linux', 'mkfs.ext4');
    const tally = new Tally(RUN, test.task.name);
    const disk = new FragileDisk(FRAGILE_MB);
    disk.mount();
    const loaded = await LoadedServer.start(disk.folder, {}, RUN.seed);
    await eachRound(loaded, tally, async () => {
      const before = loaded.complaints;
      await disk.fail(loaded.server.child);
      await loaded.complains(before);
      tally.inject('ext4 read-only after an error');
      await loaded.server.stop();
      disk.repair();
      expect(await loaded.startAgain()).toBe(true);
    });
    tally.count(await loaded.end());
    await loaded.server.stop();
    tally.end();
  },
  timeoutMs(RUN),
);

it(
  'P1 P2 P3 P4 P5 P7: a server without descriptors for its ledger after a failed commit goes on by itself when it has some',
  async (test) => {
    requireTools(test, 'gcc', 'linux', 'prlimit');
    const tally = new Tally(RUN, test.task.name);
    const { loaded, slot } = await onFaultyDisk(RUN.seed);
    await eachRound(loaded, tally, async () => {
      const { pid } = loaded.server.child;
      const before = loaded.complaints;
      limitDescriptors(pid!, Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number)) - 4);
      slot.arm({ call: 'fsync', error: 'EIO', nth: 1, times: 1 });
      // The failed commit, and why it cannot be opened.
      await loaded.complains(before + 1);
      limitDescriptors(pid!, 1024);
      tally.inject('no descriptors after a failed commit');
    });
    expect(loaded.server.child.exitCode).toBeNull();
    tally.count(await loaded.end());
    tally.end();
  },
  timeoutMs(RUN),
);

it(
  'P1 P2 P3 P4 P5 P7: whichever call of a real server fails under load, or at a stop and a start, it goes on',
  async (test) => {
    requireTools(test, 'gcc', 'linux');
    const tally = new Tally(RUN, test.task.name);
    const random = new Random(RUN.seed);
    const { loaded, slot } = await onFaultyDisk(RUN.seed);
    await eachRound(loaded, tally, async (round) => {
      if (round % 2 === 0) await failAtStart(loaded, slot, tally, random);
      else await failUnderLoad(loaded, slot, tally, random);
      slot.arm(undefined);
    });
    tally.count(await loaded.end());
    expect(await loaded.server.stop()).toBe(0);
    await control(tally);
    tally.end();
  },
  timeoutMs(RUN),
);

/** Callers get answers before and after each fault. */
async function eachRound(
  { load }: LoadedServer,
  tally: Tally,
  injectFault: (round: number) => Promise<void>,
): Promise<void> {
  for (let round = 1; round <= RUN.rounds; round++) {
    await load.answers(ANSWERS);
    await injectFault(round);
    await load.answers(ANSWERS);
    tally.progress(round);
  }
}

const CONTROL = 'a failed commit counts as done';

/** A server from a patched copy of the source, whose commits fail under load. */
async function control(tally: Tally): Promise<void> {
  const { loaded, slot } = await onFaultyDisk(RUN.seed, patchedBy(CONTROLS[CONTROL]!.patches));
  await loaded.load.answers(ANSWERS);
  slot.arm({ call: 'fsync', error: 'EIO', nth: 1, times: 1 });
  await until('an fsync has failed', () => slot.hits > 0);
  const says = await loaded.end().then(
    () => 'nothing',
    (error: unknown) => messageOf(error),
  );
  tally.control(CONTROL, says !== 'nothing', says.slice(0, MAX_SAID));
}

async function failUnderLoad(loaded: LoadedServer, slot: FaultSlot, tally: Tally, random: Random): Promise<void> {
  const fault: CallFault = {
    call: random.pick(['write', 'fsync']),
    error: random.pick(['EIO', 'ENOSPC']),
    nth: random.between(1, 20),
    times: random.pick([1, -1]),
  };
  slot.arm(fault);
  await until(`${nameOf(fault)} has hit`, () => slot.hits > 0);
  if (fault.times === -1) await loaded.complains(0);
  slot.heal();
  tally.inject(`${nameOf(fault)}, under load`);
}

/** A start that meets a fault is refused, and a supervisor tries again. */
async function failAtStart(loaded: LoadedServer, slot: FaultSlot, tally: Tally, random: Random): Promise<void> {
  const call = random.pick(['write', 'fsync', 'open', 'truncate'] as const);
  const fault: CallFault = { call, error: random.pick(['EIO', 'ENOSPC']), nth: random.between(1, 8), times: 1 };
  slot.arm(fault);
  await loaded.server.stop();
  for (let starts = 1; !(await loaded.startAgain()); starts++) {
    expect(loaded.server.said()).not.toBe('');
    expect(starts).toBeLessThan(3);
  }
  if (slot.hits > 0) tally.inject(`${nameOf(fault)}, at a stop or a start`);
}

/** A server whose calls on its ledger's files may fail. */
async function onFaultyDisk(seed: number, patched = {}): Promise<{ loaded: LoadedServer; slot: FaultSlot }> {
  const folder = testFolder();
  const env = compileCallFaults(join(folder, 'call-faults.so'), join(folder, 'call-faults'));
  const place = join(folder, 'slot-0');
  mkdirSync(place);
  const slot = new FaultSlot(env['CALL_FAULTS']!, 0);
  return { loaded: await LoadedServer.start(place, { ...patched, ...env }, seed), slot };
}

/** Limits the open files of a process; those that are open stay so. */
function limitDescriptors(pid: number, soft: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
}
