import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
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
/** What a server says that tries again; one that gives up says why at this level. */
const NOT_YET = 'the ledger cannot be opened yet';
const FATAL = 60;
const DONE = 'a failed commit counts as done';
const NOT_AGAIN = 'an opening that fails is not tried again';
/** The environment of a server from a patched copy of the source. */
const WITHOUT_FAILURES = patchedBy(CONTROLS[DONE]!.patches);

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
    await controlOfFullDisk(tally);
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
    await controlOfReadOnly(tally);
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
      await withoutDescriptors(loaded, slot);
      tally.inject('no descriptors after a failed commit');
    });
    expect(loaded.server.child.exitCode).toBeNull();
    tally.count(await loaded.end());
    await controlOfDescriptors(tally);
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

/** A server from a patched copy of the source, whose commits fail under load. */
async function control(tally: Tally): Promise<void> {
  const { loaded, slot } = await onFaultyDisk(RUN.seed, WITHOUT_FAILURES);
  await loaded.load.answers(ANSWERS);
  slot.arm({ call: 'fsync', error: 'EIO', nth: 1, times: 1 });
  await until('an fsync has failed', () => slot.hits > 0);
  await controlOf(tally, loaded);
}

async function controlOfFullDisk(tally: Tally): Promise<void> {
  const disk = new SmallDisk(SMALL_MB);
  const loaded = await LoadedServer.start(disk.folder, WITHOUT_FAILURES, RUN.seed);
  await loaded.load.answers(ANSWERS);
  disk.fill(0);
  await loaded.load.answers(ANSWERS);
  disk.free();
  await controlOf(tally, loaded);
}

async function controlOfReadOnly(tally: Tally): Promise<void> {
  const disk = new FragileDisk(FRAGILE_MB);
  disk.mount();
  const loaded = await LoadedServer.start(disk.folder, WITHOUT_FAILURES, RUN.seed);
  await loaded.load.answers(ANSWERS);
  await disk.fail(loaded.server.child);
  await loaded.load.answers(ANSWERS);
  await loaded.server.stop();
  disk.repair();
  expect(await loaded.startAgain()).toBe(true);
  await controlOf(tally, loaded);
  await loaded.server.stop();
}

/** It gives up, and its callers are refused until it is started again. */
async function controlOfDescriptors(tally: Tally): Promise<void> {
  const { loaded, slot } = await onFaultyDisk(RUN.seed, patchedBy(CONTROLS[NOT_AGAIN]!.patches));
  await loaded.load.answers(ANSWERS);
  await withoutDescriptors(loaded, slot);
  // If it goes on after all, there are answers.
  await Promise.race([until('a caller is refused', () => loaded.hasRefused), loaded.load.answers(ANSWERS)]);
  await loaded.server.stop();
  expect(await loaded.startAgain()).toBe(true);
  await controlOf(tally, loaded, NOT_AGAIN);
}

/** Red if its history does not hold. */
async function controlOf(tally: Tally, loaded: LoadedServer, name = DONE): Promise<void> {
  const says = await loaded.end().then(() => 'nothing', messageOf);
  tally.control(name, /violations:/.test(says), says.slice(0, MAX_SAID));
}

/** A commit fails, and for want of descriptors the ledger cannot be opened, until the server has said so. */
async function withoutDescriptors(loaded: LoadedServer, slot: FaultSlot): Promise<void> {
  const { pid } = loaded.server.child;
  const before = loaded.server.log.length;
  // Even those that it closes are not to be had again.
  limitDescriptors(pid!, 1);
  slot.arm({ call: 'fsync', error: 'EIO', nth: 1, times: 1 });
  const said = () => loaded.server.log.slice(before);
  await until('the ledger cannot be opened', () =>
    said().some(({ level, msg }) => level === FATAL || msg.startsWith(NOT_YET)),
  );
  limitDescriptors(pid!, 1024);
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
