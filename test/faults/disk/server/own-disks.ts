import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { testFolder } from '../../../support/processes/server-process.ts';
import { pause, resume } from '../../../support/processes/stopped-process.ts';

const BLOCK_BYTES = 4096;

/** A small file system in memory, which can be full. Needs root. */
export class SmallDisk {
  readonly folder = testFolder();
  readonly #ballast = join(this.folder, 'ballast');

  constructor(megabytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.folder]);
    onTestFinished(() => void execFileSync('umount', ['--lazy', this.folder]));
  }

  /** Leaves this many blocks, at most: others may write meanwhile. */
  fill(blocksLeft: number): void {
    const descriptor = openSync(this.#ballast, 'a');
    try {
      for (let left = this.#blocks() - blocksLeft; left > 0; left = this.#blocks() - blocksLeft) {
        writeSync(descriptor, Buffer.alloc(Math.min(left, 256) * BLOCK_BYTES));
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    } finally {
      closeSync(descriptor);
    }
  }

  free(): void {
    rmSync(this.#ballast);
  }

  #blocks(): number {
    return statfsSync(this.folder).bavail;
  }
}

/** ext4 in a file, which becomes read-only at an error, as that of a server would. Needs root and a free loop device. */
export class FragileDisk {
  readonly folder: string;
  readonly #image: string;
  #device: string | undefined;

  constructor(megabytes: number) {
    const folder = testFolder();
    this.#image = join(folder, 'image');
    this.folder = join(folder, 'mounted');
    mkdirSync(this.folder);
    writeFileSync(this.#image, '');
    execFileSync('truncate', ['-s', `${megabytes}M`, this.#image]);
    execFileSync('mkfs.ext4', ['-q', '-F', '-e', 'remount-ro', this.#image]);
    onTestFinished(() => this.unmount());
  }

  mount(): void {
    this.#device = execFileSync('losetup', ['--find', '--show', this.#image], { encoding: 'utf8' }).trim();
    execFileSync('mount', ['-o', 'errors=remount-ro', this.#device, this.folder]);
  }

  /**
   * The file system meets an error, and is read-only from then on. The writer is stopped meanwhile: an fsync that is under
   * way may succeed on Linux 6.18, although what it should have kept is lost.
   */
  async fail(writer: ChildProcess): Promise<void> {
    const trigger = `/sys/fs/ext4/${basename(this.#device!)}/trigger_fs_error`;
    if (!existsSync(trigger)) throw new Error(`${trigger} does not exist`);
    await pause(writer);
    writeFileSync(trigger, 'fault lab');
    resume(writer);
  }

  /** Repairs it as an operator would, with no server on it. */
  repair(): void {
    this.unmount();
    try {
      execFileSync('e2fsck', ['-f', '-y', this.#image], { stdio: 'ignore' });
    } catch (error) {
      // 1 says that errors were corrected.
      if (!(error instanceof Error && 'status' in error && error.status === 1)) throw error;
    }
    this.mount();
  }

  unmount(): void {
    if (this.#device === undefined) return;
    execFileSync('umount', ['--lazy', this.folder]);
    execFileSync('losetup', ['--detach', this.#device]);
    this.#device = undefined;
  }
}
