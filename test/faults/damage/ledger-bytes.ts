import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { filesOf } from '../../../src/engines/sqlite/file/ledger-files.ts';

const PARTS = ['database', 'wal', 'mark'] as const;

/** The files of a ledger without an owner; undefined is a file that does not exist. */
export type LedgerBytes = Readonly<Record<(typeof PARTS)[number], Buffer | undefined>>;

/** What a process that is killed now would leave. Another process copies: see locateLedger. */
export function killed(files: LedgerFiles, folder: string): LedgerBytes {
  const copy = emptyFolder(folder);
  for (const part of PARTS) if (existsSync(files[part])) execFileSync('cp', [files[part], copy[part]]);
  return readBytes(copy);
}

export function readBytes(files: LedgerFiles): LedgerBytes {
  return { database: bytesOf(files.database), wal: bytesOf(files.wal), mark: bytesOf(files.mark) };
}

function bytesOf(path: string): Buffer | undefined {
  return existsSync(path) ? readFileSync(path) : undefined;
}

/** Puts these files into a folder, which is emptied before. */
export function put(bytes: LedgerBytes, folder: string): LedgerFiles {
  const files = emptyFolder(folder);
  for (const part of PARTS) {
    const content = bytes[part];
    if (content) writeFileSync(files[part], content);
  }
  return files;
}

/** The same bytes, but for one bit. */
export function flipped(bytes: Buffer, offset: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset]! ^= 1 << bit;
  return copy;
}

function emptyFolder(folder: string): LedgerFiles {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return filesOf(join(folder, 'orders.db'));
}
