import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { toolPath } from '../required-tool.ts';
import { testFolder } from '../processes/server-process.ts';

/** What the disk can do to the -wal file; see fsync-shim.c. */
export type Fault = 'fsync-fails' | 'fsync-fails-then-killed' | 'fsync-done-then-killed' | 'fsync-hangs' | 'disk-full';

/** Injects disk faults into one server, which is started with {@link FsyncShim.env}. Needs gcc. */
export class FsyncShim {
  readonly env: Readonly<Record<string, string>>;
  readonly #control: string;
  readonly #report: string;

  /** Compiles it; disarmed. */
  constructor() {
    const folder = testFolder();
    const library = join(folder, 'fsync-shim.so');
    const source = new URL('fsync-shim.c', import.meta.url).pathname;
    execFileSync(toolPath('gcc'), ['-shared', '-fPIC', '-Wall', '-Werror', '-O1', '-o', library, source, '-ldl']);
    this.#control = join(folder, 'control');
    this.#report = join(folder, 'report');
    writeFileSync(this.#report, '');
    this.env = {
      LD_PRELOAD: library,
      FSYNC_SHIM_CONTROL: this.#control,
      FSYNC_SHIM_REPORT: this.#report,
    };
  }

  /** From now on; `nth` counts the fsyncs of the -wal file from 1. Replaces what was armed before. */
  arm(fault: Fault, nth = 1): void {
    // Renamed, so that the server never reads half of it.
    writeFileSync(`${this.#control}.new`, `${fault} ${nth}\n`);
    renameSync(`${this.#control}.new`, this.#control);
  }

  /** Ends a fault that lasts. */
  disarm(): void {
    rmSync(this.#control, { force: true });
  }

  /** How often a fault has hit so far. */
  hits(fault: Fault): number {
    const lines = readFileSync(this.#report, 'utf8').split('\n');
    return lines.filter((line) => line === fault).length;
  }

  /** Resolves when a fault has hit more than `before` times. */
  async hit(fault: Fault, before = 0): Promise<void> {
    await vi.waitFor(
      () => {
        if (this.hits(fault) <= before) throw new Error(`${fault} has not hit yet`);
      },
      { interval: 5 },
    );
  }
}
