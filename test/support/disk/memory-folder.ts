import { accessSync, constants, statfsSync } from 'node:fs';

/** The place where Linux keeps files in memory: a sync costs nothing there, however busy the disk is. */
const MEMORY = '/dev/shm';

/** The folder for files in memory if it exists and has this much space, otherwise undefined. */
export function memoryFolder(roomBytes: number): string | undefined {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= roomBytes ? MEMORY : undefined;
  } catch {
    return undefined;
  }
}
