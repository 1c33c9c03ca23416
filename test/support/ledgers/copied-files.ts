import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Copies a file that SQLite has open in this process. To close a descriptor of it would drop SQLite's locks. */
export function copyOpenFile(from: string, to: string): void {
  const file = openSync(from, 'r');
  onTestFinished(() => closeSync(file));
  writeFileSync(to, readFileSync(file));
}

/** The same for several, into a folder. */
export function copyOpenFiles(files: readonly string[], folder: string): void {
  for (const file of files) copyOpenFile(file, join(folder, basename(file)));
}
