import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Puts a file on disk. Never one that a connection of this process has open: its locks would be dropped. */
export function syncFile(path: string): void {
  sync(path, 'r+');
}

/** Puts the entries of a folder on disk: a new file whose name is lost in a power cut is lost itself. */
export function syncFolder(folder: string): void {
  sync(folder, 'r');
}

function sync(path: string, flags: 'r' | 'r+'): void {
  const descriptor = openSync(path, flags);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
