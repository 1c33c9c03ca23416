import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { requireTools } from '../../support/required-tool.ts';
import { until } from '../../support/until.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { assertHistory, checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { Watcher } from '../history/observers.ts';
import { EARLY_ON_POSTGRES } from '../kill/patches.ts';
import { FailoverLab } from './lab.ts';

const RUN = faultRun('failover', { short: 2, long: 30 });
/** The data, the write-ahead log, and little else. */
const DISK_MIB = 320;
const SETTINGS = { wal_keep_size: '96MB', min_wal_size: '32MB', max_wal_size: '48MB', log_min_messages: 'warning' };
const NO_SPACE = /No space left on device/;
/** More than there are segments of the write-ahead log in stock. */
const SEGMENTS = 12;
const ANSWERS = 60;

it(
  'P1 P2 P3 P4 P5 P7: a primary whose disk is full refuses or stops, and numbering resumes when there is space, or at promotion',
  async (test) => {
    requireTools(test, 'root', 'linux');
    const tally = new Tally(RUN, test.task.name, { engine: 'PostgreSQL' });
    const random = new Random(RUN.seed);
    const disk = new SmallDisk();
    const lab = await FailoverLab.start({ servers: 2, primaryFolder: disk.folder, settings: SETTINGS });
    const history = new History();
    const load = new Load({ history, addresses: [lab.address], seed: RUN.seed, callers: 8 });
    const watcher = new Watcher(lab.client(), history, 'w1');
    for (let round = 1; round <= RUN.rounds; round++) {
      await load.answers(ANSWERS);
      const isLast = round === RUN.rounds;
      const isWal = round % 2 === 0;
      await fill(lab, disk, isWal);
      tally.inject(`disk of the primary full, ${isWal ? 'write-ahead log first' : 'data first'}`);
      if (isLast) {
        await lab.failOver();
        tally.inject('primary with a full disk killed, standby promoted');
        await lab.makeStandby();
      } else {
        for (let wait = random.below(3); wait > 0; wait--) await lab.query('SELECT pg_sleep(0.1)').catch(() => {});
        disk.free();
        await goesOn(lab);
      }
      await load.answers(ANSWERS);
      tally.progress(round);
    }
    await load.stop();
    const rows = await lab.rows();
    const last = rows.at(-1)!;
    await watcher.reaches(last.order_id + BigInt(last.count) - 1n);
    await watcher.stop();
    const verdict = assertHistory(history, rows);
    tally.count(verdict);
    expect(verdict.found).toBe(verdict.acknowledged);
    await control(tally);
    tally.end();
  },
  timeoutMs(RUN),
);

/** A server from a patched copy of the source, which answers before its commits: the full disk rolls them back. */
async function control(tally: Tally): Promise<void> {
  const disk = new SmallDisk();
  const where = { primaryFolder: disk.folder, settings: SETTINGS };
  const lab = await FailoverLab.start({ servers: 1, ...where, patches: EARLY_ON_POSTGRES });
  const history = new History();
  const load = new Load({ history, addresses: [lab.address], name: 'control', callers: 8 });
  await load.answers(ANSWERS);
  await fill(lab, disk, false);
  load.leave();
  // The load fails with the test: its server refuses a ledger that is behind what it has answered.
  load.stop().catch(() => {});
  await lab.failOver();
  const { lost, violations } = checkHistory(history, await lab.rows());
  const says = violations.find((sentence) => sentence.includes('was answered')) ?? 'nothing is lost';
  tally.control('replies before the commit', lost > 0, says);
}

/** Resolves when PostgreSQL has met the end of its disk. */
async function fill(lab: FailoverLab, disk: SmallDisk, isWal: boolean): Promise<void> {
  const met = lab.primary.nextLine(NO_SPACE);
  // Awaited below.
  met.catch(() => {});
  disk.fill();
  if (isWal) await useUpLog(lab, disk);
  await met;
}

/** A new segment of the log needs space; without it PostgreSQL panics. */
async function useUpLog(lab: FailoverLab, disk: SmallDisk): Promise<void> {
  for (let segment = 0; segment < SEGMENTS; segment++) {
    disk.fill();
    try {
      await lab.query('SELECT pg_switch_wal()');
    } catch {
      return;
    }
  }
}

/** Starts the primary again if it has stopped itself. */
async function goesOn(lab: FailoverLab): Promise<void> {
  await until('the primary goes on', async () => {
    try {
      if (!lab.primary.isRunning) await lab.primary.restart();
      await lab.query('SELECT');
      return true;
    } catch {
      return false;
    }
  });
}

/** A small file system in memory. */
class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'order-numbers-disk-'));
  readonly #ballast = join(this.folder, 'ballast');

  constructor() {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=1777`, 'tmpfs', this.folder]);
    chmodSync(this.folder, 0o1777);
    onTestFinished(() => {
      execFileSync('umount', ['--lazy', this.folder]);
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  fill(): void {
    for (;;) {
      const { bavail, bsize } = statfsSync(this.folder);
      if (bavail === 0) return;
      try {
        appendFileSync(this.#ballast, Buffer.alloc(Math.min(bavail, 4096) * bsize));
      } catch (error) {
        // PostgreSQL took the rest.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }
}
