import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, realpathSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import Database, { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type { LedgerSummary } from './backup-check.ts';
import { checkLedger } from './backup-check.ts';
import { beginRead, openReadConnection } from '../file/connection.ts';
import { readMark } from '../file/high-water-mark.ts';
import { syncFile, syncFolder } from '../file/fsync.ts';
import { COMPANION_SUFFIXES, filesOf, findLedger, removeDatabase } from '../file/ledger-files.ts';
import { prepareCleanup } from '../file/inspection.ts';
import { requireWritable } from '../file/owner.ts';
import { makeReadable, requireServable } from './readable-database.ts';
import { requireFilledLedger } from '../file/schema.ts';

/** Pages copied before the event loop has a turn: 8 MiB. */
const PAGES_PER_STEP = 2048;
const CHECK_CACHE_KIB = 64 * 1024;

/** How a long command is stopped, and how it reports its progress. */
export interface LongRun {
  readonly signal?: AbortSignal | undefined;
  /** `done` of `all` pages copied, or order_ids checked. */
  readonly onProgress?: ((step: 'copying' | 'checking', done: number, all: number) => void) | undefined;
}

export interface BackupOptions extends LongRun {
  /** Whether to replace an existing target. */
  readonly force: boolean;
}

/** A backup, checked and on disk. */
export interface Backup extends LedgerSummary {
  /** Its real path. */
  readonly target: string;
  readonly bytes: bigint;
}

/**
 * Writes a checked copy of the ledger at `source` to `target`, while a server may be writing. The target appears
 * whole or not at all. Throws LedgerRefused; rejects with the signal's reason when stopped.
 */
export async function backupLedger(source: string, target: string, options: BackupOptions): Promise<Backup> {
  const from = findLedger(source);
  const to = findTarget(target, from, options.force);
  // Read first, so that whatever it says was committed before the copy began.
  const mark = readMark(filesOf(from).mark);
  const temporary = `${to}.tmp-${randomBytes(4).toString('hex')}`;
  requireWritable(temporary);
  const readable = makeReadable(from);
  try {
    const summary = await copyLedger(readable.path, temporary, options);
    // After the check of the copy, which says more about damage.
    requireServable(from, readable);
    if (mark !== undefined && mark !== 'torn' && mark.ledgerId === summary.ledgerId) {
      if (mark.lastOrderId > summary.lastOrderId) {
        throw new LedgerRefused(
          `${from} ends at order_id ${summary.lastOrderId}, but ${mark.lastOrderId} was already given according to its ` +
            'mark: it is an older copy or has lost its end, so no backup was written',
        );
      }
    }
    findTarget(target, from, options.force);
    renameSync(temporary, to);
    syncFolder(dirname(to));
    return { ...summary, target: to, bytes: statSync(to, { bigint: true }).size };
  } finally {
    readable.remove();
    removeDatabase(temporary);
  }
}

/**
 * Copies a ledger into a new file as one database without a WAL, checks the copy and puts it on disk. It only reads the
 * source, in one transaction: without one, SQLite's backup would restart at each commit of a server
 * (https://www.sqlite.org/c3ref/backup_finish.html). After an error the caller removes what is left at `target`.
 */
export async function copyLedger(source: string, target: string, run: LongRun): Promise<LedgerSummary> {
  try {
    await copyPages(source, target, run);
    const copy = new Database(target);
    let summary: LedgerSummary;
    try {
      copy.defaultSafeIntegers(true);
      // The check reads the index of request_ids in random order.
      copy.pragma(`cache_size = -${CHECK_CACHE_KIB}`);
      // The copy still declares that it has a WAL.
      copy.pragma('journal_mode = DELETE');
      summary = await checkLedger(copy, {
        name: source,
        signal: run.signal,
        onProgress: (orderId, end) => run.onProgress?.('checking', Number(orderId), Number(end)),
      });
    } finally {
      copy.close();
    }
    syncFile(target);
    return summary;
  } catch (error) {
    throw explain(error, source, target);
  }
}

async function copyPages(source: string, target: string, { signal, onProgress }: LongRun): Promise<void> {
  const cleanUp = prepareCleanup(source);
  const db = openReadConnection(source);
  try {
    requireFilledLedger(db);
    beginRead(db);
    await db.backup(target, {
      progress({ totalPages, remainingPages }) {
        signal?.throwIfAborted();
        onProgress?.('copying', totalPages - remainingPages, totalPages);
        return PAGES_PER_STEP;
      },
    });
  } finally {
    db.close();
    cleanUp();
  }
}

/** The real path for the backup, which must not be that of a ledger or of a part of one. */
function findTarget(target: string, source: string, force: boolean): string {
  if (target === '') throw new LedgerRefused('the path of the backup is empty; name the file to write');
  const folder = dirname(resolve(target));
  if (!existsSync(folder))
    throw new LedgerRefused(`the folder ${folder} does not exist; create it, or choose another one`);
  if (!statSync(folder).isDirectory()) {
    throw new LedgerRefused(`${folder} is a file and not a folder; choose another place for the backup`);
  }
  const path = join(realpathSync(folder), basename(resolve(target)));
  const stat = lstatSync(path, { throwIfNoEntry: false });
  const real = stat?.isSymbolicLink() && existsSync(path) ? realpathSync(path) : path;
  const same = existsSync(real) && sameFile(real, source);
  if (same || COMPANION_SUFFIXES.some((suffix) => real === `${source}${suffix}`)) {
    throw new LedgerRefused(`${target} is the ledger itself or a part of it; choose another name for the backup`);
  }
  for (const suffix of COMPANION_SUFFIXES) {
    if (!existsSync(`${path}${suffix}`)) continue;
    throw new LedgerRefused(
      `${path}${suffix} exists, so a file at ${path} would be taken for a ledger in use; choose another name`,
    );
  }
  if (!stat) return path;
  if (!stat.isFile())
    throw new LedgerRefused(`${path} already exists and is not a file; choose another name for the backup`);
  if (!force) throw new LedgerRefused(`${path} already exists; choose another name, or replace it with --force`);
  return path;
}

function sameFile(one: string, other: string): boolean {
  const [a, b] = [statSync(one, { bigint: true }), statSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}

/** Turns an error of SQLite or of the system into a sentence for the operator. */
function explain(error: unknown, source: string, target: string): unknown {
  if (error instanceof SqliteError) {
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) {
      return new LedgerRefused(`${source} is damaged or not an SQLite database (${error.message}); use another copy`);
    }
    if (error.code === 'SQLITE_ERROR') {
      return new LedgerRefused(`${source} is damaged or not a ledger (${error.message}); use another copy`);
    }
    return new LedgerRefused(`cannot copy ${source} to ${target}: ${error.message} (${error.code})`);
  }
  if (error instanceof Error && 'syscall' in error)
    return new LedgerRefused(`cannot write ${target}: ${error.message}`);
  return error;
}
