import { existsSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import type { Allocation } from '../../../../core/allocation.ts';
import { LedgerRefused } from '../../../../core/errors.ts';
import type { LedgerContents } from '../../../../core/move/contents.ts';
import { COPY_PAGE } from '../../../../core/move/contents.ts';
import type { LedgerTarget, MovedId, MovingState } from '../../../../core/move/ledger-target.ts';
import type { VerifyEvent } from '../../../../core/verify/events.ts';
import { verifyInPages } from '../../../../core/verify/verify-ledger.ts';
import { checkpoint } from '../../file/checkpoint.ts';
import { openWriteConnection } from '../../file/connection.ts';
import type { Fence } from '../../file/fence.ts';
import { takeFence } from '../../file/fence.ts';
import { syncFile, syncFolder } from '../../file/fsync.ts';
import { HighWaterMark } from '../../file/high-water-mark.ts';
import { inspect } from '../../file/inspection.ts';
import type { LedgerFiles } from '../../file/ledger-files.ts';
import { locateLedger, unfinishedNameOf } from '../../file/ledger-files.ts';
import { movedAway, requireLedgerRow } from '../../file/ledger-row.ts';
import { keepOwner, requirePlainFile } from '../../file/owner.ts';
import { migrate, requireFilledLedger } from '../../file/schema.ts';
import { checkBeforeOpening } from '../../recovery/opening-check.ts';
import { SqliteVerifySource } from '../../verify/verify-source.ts';
import { FileContents } from './file-contents.ts';

/** Pages that the WAL of the copy grows to. */
const WAL_PAGES = 10_000;

/** The file at this path, as the place that a ledger moves to. Creates no more than the lock yet. */
export async function openMoveTarget(path: string): Promise<LedgerTarget> {
  const files = locateLedger(path);
  requirePlainFile(unfinishedNameOf(files.database));
  return new MoveTarget(files, takeFence(files));
}

/**
 * The file that another ledger moves into. The copy has another name until it is finished. Servers are kept out by the
 * fence, and once this process has ended by the mark: it says that a ledger has to be there.
 */
class MoveTarget implements LedgerTarget {
  readonly name: string;
  readonly howToEmpty: string;
  readonly #files: LedgerFiles;
  readonly #unfinished: string;
  readonly #fence: Fence;
  #db: Database.Database | undefined;
  #contents: FileContents | undefined;

  constructor(files: LedgerFiles, fence: Fence) {
    this.#files = files;
    this.#fence = fence;
    this.name = files.database;
    this.#unfinished = unfinishedNameOf(files.database);
    this.howToEmpty = `remove ${this.#unfinished}, its -wal file and ${files.mark}`;
  }

  async identity(): Promise<string> {
    return `file ${this.name.replaceAll('(', '%28').replaceAll(')', '%29')}`;
  }

  async claim(ledger: MovedId, isSealed: boolean): Promise<MovingState> {
    return this.#explained(() => {
      const isDone = this.#isDone(ledger);
      if (isDone) return 'done';
      if (isSealed && !existsSync(this.#unfinished)) {
        throw new LedgerRefused(`${this.name} does not have the ledger that was moved to it; put that one back`);
      }
      this.#db = openWriteConnection(this.#unfinished);
      this.#db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`);
      this.#begin(this.#db, ledger);
      this.#contents = new FileContents(this.name, this.#db);
      return 'unfinished';
    });
  }

  /** A server would have had the fence. */
  async endOtherSessions(): Promise<void> {}

  get contents(): LedgerContents {
    return this.#claimed.contents;
  }

  async lastCopied(): Promise<bigint> {
    const { db } = this.#claimed;
    return db.prepare<[], bigint | null>('SELECT max(order_id) FROM allocations').pluck().get() ?? 0n;
  }

  async addAllocations(allocations: readonly Allocation[]): Promise<void> {
    return this.#explained(() => {
      const { db } = this.#claimed;
      const insert = db.prepare(
        `INSERT INTO allocations (order_id, store_id, order_number, count, request_id, create_time_ms, prefix, suffix,
           min_digits, caller)
         VALUES (@orderId, @storeId, @orderNumber, @count, @requestId, @createTimeMs, @prefix, @suffix, @minDigits, @caller)`,
      );
      db.transaction(() => {
        for (const allocation of allocations) insert.run(asColumns(allocation));
      }).immediate();
    });
  }

  async takeCounters(from: LedgerContents): Promise<void> {
    const { db } = this.#claimed;
    const insertStore = db.prepare(
      `INSERT INTO stores (store_id, first_number, last_number, prefix, suffix, min_digits, create_time_ms)
       VALUES (@storeId, @firstNumber, @lastNumber, @prefix, @suffix, @minDigits, @createTimeMs)`,
    );
    const insertLoss = db.prepare('INSERT INTO declared_losses VALUES (?, ?, ?, ?)');
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec('DELETE FROM stores; DELETE FROM declared_losses');
      for (let after = 0n; ;) {
        const stores = await from.storesAfter(after, COPY_PAGE);
        const last = stores.at(-1);
        if (!last) break;
        for (const store of stores) insertStore.run(asColumns(store));
        after = last.storeId;
      }
      for (const { storeId = null, first, last, declareTimeMs } of await from.declaredLosses()) {
        insertLoss.run(storeId, first, last, declareTimeMs);
      }
      const { firstOrderId, lastOrderId, lastCreateTimeMs } = await from.counters();
      db.prepare('UPDATE ledger SET first_order_id = ?, last_order_id = ?, last_create_time_ms = ?').run(
        firstOrderId,
        lastOrderId,
        lastCreateTimeMs,
      );
      db.exec('COMMIT');
    } finally {
      if (db.inTransaction) db.exec('ROLLBACK');
    }
  }

  async *verify(): AsyncGenerator<VerifyEvent> {
    for await (const events of verifyInPages(new SqliteVerifySource(this.#claimed.db), undefined)) {
      yield* events;
      await nextTurn();
    }
  }

  /** In the order of a restore: the mark, then the file, which ends exactly there. */
  async activate(): Promise<void> {
    this.#explained(() => {
      const { db } = this.#claimed;
      const { ledgerId, lastOrderId } = requireLedgerRow(db, 'put a good copy back', this.name);
      checkpoint(db, 'TRUNCATE');
      // Removes the -wal file: nobody else has this file open.
      db.close();
      if (existsSync(`${this.#unfinished}-wal`)) {
        throw new LedgerRefused(`another process has ${this.#unfinished} open; end it`);
      }
      syncFile(this.#unfinished);
      new HighWaterMark(this.#files.mark, { ledgerId, lastOrderId }).close();
      for (const path of [this.#unfinished, this.#files.mark]) keepOwner(path);
      renameSync(this.#unfinished, this.#files.database);
      syncFolder(dirname(this.#files.database));
    });
  }

  async close(): Promise<void> {
    this.#db?.close();
    this.#fence.release();
  }

  /** Whether the whole ledger is there. Throws LedgerRefused if another one is, or may have been. */
  #isDone({ ledgerId }: MovedId): boolean {
    const { database } = this.#files;
    if (!existsSync(database) && existsSync(this.#unfinished)) return false;
    if (!checkBeforeOpening(this.#files, 'moved').end) return false;
    const there = inspect(database, (db) => {
      requireFilledLedger(db);
      return requireLedgerRow(db, 'put a good copy back');
    });
    if (there.movedTo) throw movedAway(database, there.movedTo, 'use another path');
    if (there.ledgerId === ledgerId) return true;
    throw new LedgerRefused(
      `${database} already has a ledger of its own (${there.ledgerId}, last order_id ${there.lastOrderId}); a ledger moves ` +
        'only into a new file, so use another path',
    );
  }

  /** Makes a new file the copy of this ledger. Throws LedgerRefused if it is the copy of another one. */
  #begin(db: Database.Database, { ledgerId, firstOrderId }: MovedId): void {
    migrate(db);
    const there = requireLedgerRow(db, 'use another copy', this.#unfinished);
    if (there.ledgerId !== ledgerId) {
      if (db.prepare('SELECT 1 FROM allocations UNION ALL SELECT 1 FROM stores').get() !== undefined) {
        throw new LedgerRefused(
          `${this.#unfinished} is the unfinished copy of another ledger, ${there.ledgerId}; finish that, or remove it`,
        );
      }
      db.prepare('UPDATE ledger SET ledger_id = ?, first_order_id = ?, last_order_id = ?').run(
        ledgerId,
        firstOrderId,
        firstOrderId - 1n,
      );
    }
    syncFolder(dirname(this.#unfinished));
    new HighWaterMark(this.#files.mark, { ledgerId, lastOrderId: firstOrderId - 1n }).close();
  }

  get #claimed(): { readonly db: Database.Database; readonly contents: FileContents } {
    if (!this.#db || !this.#contents) throw new Error('the file was not claimed');
    return { db: this.#db, contents: this.#contents };
  }

  /** Runs `work`; a failure of SQLite becomes one sentence that names the file. */
  #explained<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SqliteError)) throw error;
      throw new LedgerRefused(`${this.name} cannot be written: ${error.message} (${error.code})`);
    }
  }
}

/** Numbers as bigints: SQLite would take the others for REAL. */
function asColumns(row: object): Record<string, string | bigint> {
  const columns = Object.entries(row) as [string, string | number | bigint][];
  return Object.fromEntries(columns.map(([name, value]) => [name, typeof value === 'number' ? BigInt(value) : value]));
}
