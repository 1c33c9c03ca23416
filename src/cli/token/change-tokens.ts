import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LedgerRefused, messageOf } from '../../core/errors.ts';
import type { ExclusiveLock } from '../../engines/sqlite/file/exclusive-lock.ts';
import { lockExclusively } from '../../engines/sqlite/file/exclusive-lock.ts';
import { keepOwner, requireWritable } from '../../engines/sqlite/file/owner.ts';
import { entriesIn, MAX_TOKEN_FILE_BYTES, readTokenFile } from '../../server/security/read-token-file.ts';
import type { TokenEntry } from '../../server/security/token-file.ts';
import { formatTokenFile } from '../../server/security/token-file.ts';
import { replaceFile } from './replace-file.ts';

/** How long to wait for the lock: another command holds it for a few milliseconds. */
const LOCK_MS = 5_000;
const LOCK_LOOK_MS = 25;
/** Anyone who can read the file could hold the lock. */
const LOCK_MODE = 0o600;

/** The entries of a token file, and a warning for its operator. */
export interface TokenFile {
  readonly entries: readonly TokenEntry[];
  readonly warning?: string;
}

/** Rejects with an Error that names the file and the remedy. */
export async function readTokens(path: string): Promise<TokenFile> {
  const file = await readTokenFile(path, 'changed');
  return { ...file, entries: entriesIn(file, path) };
}

/**
 * Changes a token file; only one process at a time does so. `change` returns the new entries, or undefined to leave the
 * file as it is; if it throws, the file is unchanged, too. If `mayCreate`, a missing file counts as one without
 * entries. Resolves to a warning about the file, if there is one. Rejects with an Error that names the remedy.
 */
export async function changeTokens(
  path: string,
  mayCreate: boolean,
  change: (entries: readonly TokenEntry[]) => readonly TokenEntry[] | undefined,
): Promise<string | undefined> {
  // Links are followed: the file itself is replaced, and all its names lead to one lock.
  const real = realPath(path);
  const read = (): Promise<TokenFile> =>
    mayCreate && !existsSync(real) ? Promise.resolve({ entries: [] }) : readTokens(path);
  // Before the lock, so that no lock file is left beside something that is not a token file.
  await read();
  const lock = await lockBeside(real);
  try {
    const { entries, warning } = await read();
    const changed = change(entries);
    if (changed !== undefined) write(real, changed);
    return warning;
  } finally {
    lock.release();
  }
}

function write(path: string, entries: readonly TokenEntry[]): void {
  const text = formatTokenFile(entries);
  // Throws if a server would refuse the file.
  entriesIn({ text }, path);
  if (Buffer.byteLength(text) > MAX_TOKEN_FILE_BYTES) {
    throw new Error(`${path} would have more than ${MAX_TOKEN_FILE_BYTES} bytes: remove entries that expired long ago`);
  }
  try {
    replaceFile(path, text);
  } catch (error) {
    throw notWritten(path, error);
  }
}

async function lockBeside(path: string): Promise<ExclusiveLock> {
  requireWritable(path);
  requireWritable(`${path}.lock`);
  const deadline = performance.now() + LOCK_MS;
  for (;;) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (performance.now() > deadline) {
      throw new Error(`another command is changing ${path}; nothing was changed: run this command again`);
    }
    await delay(LOCK_LOOK_MS);
  }
}

function tryLock(path: string): ExclusiveLock | undefined {
  const file = `${path}.lock`;
  try {
    const lock = lockExclusively(file, LOCK_MODE);
    if (lock) keepOwner(file, existsSync(path) ? path : undefined);
    return lock;
  } catch (error) {
    if (error instanceof LedgerRefused) throw error;
    throw new Error(`cannot lock ${path} (${messageOf(error)}): its folder must be writable`, { cause: error });
  }
}

/** The file behind all links; if there is none, the file to create. */
function realPath(path: string): string {
  const whole = resolve(path);
  if (lstatSync(whole, { throwIfNoEntry: false })) {
    if (existsSync(whole)) return realpathSync(whole);
    throw new Error(`${path} is a broken symbolic link: remove it, or name another file with --tokens`);
  }
  try {
    return join(realpathSync(dirname(whole)), basename(whole));
  } catch {
    throw new Error(`the folder ${dirname(whole)} does not exist: create it, or correct --tokens`);
  }
}

function notWritten(path: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === undefined) return error;
  const remedy =
    code === 'EBUSY'
      ? 'mount its folder instead of the file, because the command replaces the file'
      : 'nothing was changed';
  return new Error(`cannot write ${path} (${messageOf(error)}): ${remedy}`, { cause: error });
}
