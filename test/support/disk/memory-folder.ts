import { accessSync, constants, statfsSync } from 'node:fs';

/** Where Linux keeps files in memory: a sync costs nothing there, however slow or busy the disk is. */
const MEMORY = '/dev/shm';

/** The folder for files in memory if there is one with so much room, and undefined where there is none. */
export function memoryFolder(roomBytes: number): string | undefined {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= roomBytes ? MEMORY : undefined;
  } catch {
    return undefined;
  }
}
