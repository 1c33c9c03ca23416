import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { toolPath } from '../../../support/required-tool.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { pause, resume } from '../../../support/processes/stopped-process.ts';
import { until } from '../../../support/until.ts';

const DISK_BYTES = 256 * 2 ** 20;
/**
 * What is not synced stays in memory: the journal is written at an fsync, and else not soon, and a file that was emptied
 * before is not written out when it is closed, as ext4 does otherwise.
 */
const MOUNT_OPTIONS = 'loop,commit=300,noauto_da_alloc';

/** A file as a disk with ext4 on it, whose power can be cut. Needs gcc, root and loop devices. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly folder: string;
  readonly #image: string;
  readonly #copied: string;
  readonly #copyFolder: string;
  readonly #program: string;
  #isMounted = false;

  /** A new, empty one; unmounted when the test ends. */
  constructor() {
    const own = testFolder();
    this.folder = join(own, 'mounted');
    this.#image = join(own, 'disk');
    this.#copied = join(own, 'copy');
    this.#copyFolder = join(own, 'mounted-copy');
    this.#program = join(own, 'shut-down');
    mkdirSync(this.folder);
    mkdirSync(this.#copyFolder);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, DISK_BYTES);
    const source = new URL('shut-down.c', import.meta.url).pathname;
    execFileSync(toolPath('gcc'), ['-Wall', '-Werror', '-O1', '-o', this.#program, source]);
    execFileSync(toolPath('mkfs.ext4'), ['-q', this.#image]);
    this.#mount();
    // Before the folder is removed: what is called last is run first.
    onTestFinished(() => this.#unmount());
  }

  /**
   * Cuts the power of the machine on which this process runs, and gives it back: nothing that it has not synced is on the
   * disk. It is stopped before: while a disk goes, an fsync may succeed that put nothing on it.
   */
  async cutPower(writer: ChildProcess, how: 'stopped' | 'killed'): Promise<void> {
    const exit = exited(writer);
    if (how === 'stopped') {
      await pause(writer, 'TDt');
    } else {
      writer.kill('SIGKILL');
      await exit;
    }
    execFileSync(this.#program, [this.folder]);
    writer.kill('SIGKILL');
    await exit;
    this.#unmount();
    this.#mount();
  }

  /**
   * Runs `look` on a copy of the disk as a power cut at this moment leaves it: what the system has not written to the
   * disk is not in the copy. The writer is stopped meanwhile, and goes on.
   */
  async lookAfterCut(writer: ChildProcess, look: (folder: string) => void): Promise<void> {
    try {
      await pause(writer);
      await this.#copy();
      execFileSync('mount', ['-o', MOUNT_OPTIONS, this.#copied, this.#copyFolder]);
      try {
        look(this.#copyFolder);
      } finally {
        execFileSync('umount', [this.#copyFolder]);
      }
    } finally {
      resume(writer);
    }
  }

  /** A copy of one moment: nothing is written to the disk while it is copied. */
  async #copy(): Promise<void> {
    const device = execFileSync('findmnt', ['--noheadings', '--output', 'SOURCE', this.folder], { encoding: 'utf8' });
    const written = () => readFileSync(`/sys/block/${basename(device.trim())}/stat`, 'latin1');
    await until('the disk is quiet while it is copied', () => {
      const before = written();
      execFileSync('cp', ['--sparse=always', this.#image, this.#copied]);
      return written() === before;
    });
  }

  #mount(): void {
    execFileSync('mount', ['-o', MOUNT_OPTIONS, this.#image, this.folder]);
    this.#isMounted = true;
  }

  #unmount(): void {
    if (this.#isMounted) execFileSync('umount', [this.folder]);
    this.#isMounted = false;
  }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => void child.once('exit', () => resolve()));
}
