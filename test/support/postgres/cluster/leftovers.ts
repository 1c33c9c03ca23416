import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../until.ts';
import { isInUse, killTree } from './processes.ts';
import type { Programs } from './programs.ts';
import { run } from './programs.ts';

/** What a cluster leaves behind if it is not closed. */
export interface Leftovers {
  readonly folder: string;
  /** A cluster with data also has shared memory. */
  readonly cluster?: { readonly data: string; readonly programs: Programs };
  /** The process id of a server that runs. */
  readonly postmaster?: number | undefined;
}

const all = new Map<string, Leftovers>();
let watchdog: ChildProcess | undefined;

/**
 * Has these leftovers removed when this process ends, even by kill -9, by a process of its own
 * (watchdog.ts). Calling it again for the same folder replaces the earlier call.
 */
export function removeAtExit(leftovers: Leftovers): void {
  all.set(leftovers.folder, leftovers);
  tellWatchdog();
}

/** Ends a server if there is one, and removes its folder and its shared memory. */
export async function removeLeftovers(leftovers: Leftovers): Promise<void> {
  const { folder, cluster, postmaster } = leftovers;
  if (postmaster !== undefined) await killTree(postmaster);
  // A program that creates the data ends by itself, and fails if they vanish before.
  await until(`no process works in ${folder}`, () => !isInUse(folder));
  if (cluster) await releaseSharedMemory(cluster.programs, cluster.data);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  if (all.delete(folder)) tellWatchdog();
}

/**
 * A server that was killed leaves its shared memory to the next one on the same data, which never comes: the
 * system would run out of it. The server's mode that only checks its settings takes and frees that memory.
 */
async function releaseSharedMemory(programs: Programs, data: string): Promise<void> {
  // A killed server may still exist as a zombie.
  rmSync(join(data, 'postmaster.pid'), { force: true });
  // Data that were never completed, or that are gone, have none.
  await run(programs, programs.postgres, ['--check', '-D', data], data).catch(() => {});
}

function tellWatchdog(): void {
  watchdog ??= startWatchdog();
  watchdog.stdin!.write(`${JSON.stringify([...all.values()])}\n`);
}

function startWatchdog(): ChildProcess {
  const script = new URL('watchdog.ts', import.meta.url).pathname;
  // In a session of its own, so that it outlives the Ctrl-C that ends us; it does not keep us running.
  const child = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}
