import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../until.ts';
import { isInUse, killTree } from './processes.ts';
import type { Programs } from './programs.ts';
import { run } from './programs.ts';

/** What a cluster leaves behind where nobody closes it. */
export interface Leftovers {
  readonly folder: string;
  /** Where there are data, PostgreSQL has shared memory, too. */
  readonly cluster?: { readonly data: string; readonly programs: Programs };
  /** The process id of a server that runs. */
  readonly postmaster?: number | undefined;
}

const all = new Map<string, Leftovers>();
let watchdog: ChildProcess | undefined;

/**
 * From now on these remains are cleared away when this process ends, even by kill -9: by a process of its own
 * (watchdog.ts) that is told of them. Said again for the same folder, it replaces what was said before.
 */
export function removeAtExit(leftovers: Leftovers): void {
  all.set(leftovers.folder, leftovers);
  tellWatchdog();
}

/** Ends a server if there is one, and removes its folder and its shared memory. */
export async function removeLeftovers(leftovers: Leftovers): Promise<void> {
  const { folder, cluster, postmaster } = leftovers;
  if (postmaster !== undefined) await killTree(postmaster);
  // A program that makes the data ends by itself, and does not take it well when they vanish.
  await until(`nobody works in ${folder}`, () => !isInUse(folder));
  if (cluster) await releaseSharedMemory(cluster.programs, cluster.data);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  if (all.delete(folder)) tellWatchdog();
}

/**
 * A server that was killed leaves its shared memory to the next one on the same data, which never comes: the
 * system would run out of it. The server's mode that only checks its settings takes and frees that memory.
 */
async function releaseSharedMemory(programs: Programs, data: string): Promise<void> {
  // A killed server's id may still be there, as a process that nobody has collected yet.
  rmSync(join(data, 'postmaster.pid'), { force: true });
  // Data that were never finished, or that are no longer there, have none.
  await run(programs, programs.postgres, ['--check', '-D', data], data).catch(() => {});
}

function tellWatchdog(): void {
  watchdog ??= startWatchdog();
  watchdog.stdin!.write(`${JSON.stringify([...all.values()])}\n`);
}

function startWatchdog(): ChildProcess {
  const script = new URL('watchdog.ts', import.meta.url).pathname;
  // In a session of its own, so that it outlives the Ctrl-C that ends us; no reason for us to stay.
  const child = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}
