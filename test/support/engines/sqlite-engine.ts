import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { assertDense } from '../ledgers/density.ts';
import { ordersSql } from '../ledgers/orders-sql.ts';
import type { Engine, FaultyLedger } from './engines.ts';
import { FsyncShim } from '../disk/fsync-shim.ts';
import { requireTools } from '../required-tool.ts';
import { testFolder } from '../processes/server-process.ts';

const PAGE_BYTES = 4096;
/** The tables' roots, and the indexes', are before these pages. */
const FIRST_DAMAGED_PAGE = 8;
/** https://www.sqlite.org/fileformat2.html#the_write_ahead_log; a page's number begins the header of its frame. */
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

export const SQLITE: Engine = {
  name: 'SQLite',
  newLedger: async () => newLedger(),
  absentLedger: async () => newLedger(),
  assertDense: async (path) => assertDense(path),
  addOrders: async (path, count) => execute(path, ordersSql(count)),
  setLastCreateTime: async (path, ms) => execute(path, `UPDATE ledger SET last_create_time_ms = ${ms}`),
  deleteOrder: async (path, orderId) => execute(path, `DELETE FROM allocations WHERE order_id = ${orderId}`),
  breakStoreReads: async (path) => execute(path, 'ALTER TABLE stores RENAME TO elsewhere'),
  canBeFull: true,

  async damage(path) {
    // Before the first checkpoint all pages are read from the WAL.
    const wal = readFileSync(`${path}-wal`);
    const file = openSync(`${path}-wal`, 'r+');
    const noise = Buffer.alloc(PAGE_BYTES, 0xa5);
    for (let at = WAL_HEADER_BYTES; at < wal.length; at += FRAME_HEADER_BYTES + PAGE_BYTES) {
      const page = wal.readUInt32BE(at);
      if (page >= FIRST_DAMAGED_PAGE) writeSync(file, noise, 0, noise.length, at + FRAME_HEADER_BYTES);
    }
    closeSync(file);
  },

  async newFaultyLedger(test) {
    requireTools(test, 'gcc');
    return new SqliteFaults(newLedger());
  },
};

/** Faults of the disk. */
class SqliteFaults implements FaultyLedger {
  readonly ledger: string;
  readonly #shim = new FsyncShim();
  readonly options = { env: this.#shim.env };
  // Its frames are in the WAL before the fsync hangs, and stay there.
  readonly heldMayBeReplayed = [true];
  readonly unavailableReason = /is reading an old state/;
  #isHolding = false;
  #others: Database.Database[] = [];

  constructor(ledger: string) {
    this.ledger = ledger;
  }

  async holdCommits(): Promise<void> {
    this.#shim.arm('fsync-hangs');
    this.#isHolding = true;
  }

  commitIsHeld(): Promise<void> {
    return this.#shim.hit('fsync-hangs');
  }

  async release(): Promise<void> {
    // A fault armed since has ended the hanging by itself.
    if (this.#isHolding) this.#shim.disarm();
    this.#isHolding = false;
  }

  async failNextCommit(): Promise<void> {
    this.#shim.arm('fsync-fails');
    this.#isHolding = false;
  }

  async fillDisk(): Promise<void> {
    this.#shim.arm('disk-full');
  }

  async freeDisk(): Promise<void> {
    this.#shim.disarm();
  }

  /**
   * A reader of an old state keeps it from being reopened after a failed commit, and a writer keeps it from being
   * opened after the server was killed.
   */
  async makeUnavailable(): Promise<void> {
    const reader = new Database(this.ledger, { readonly: true });
    const writer = new Database(this.ledger);
    onTestFinished(() => {
      reader.close();
      writer.close();
    });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM allocations').get();
    execute(this.ledger, 'UPDATE ledger SET last_order_id = last_order_id');
    writer.exec('BEGIN IMMEDIATE');
    this.#others = [reader, writer];
  }

  async makeAvailable(): Promise<void> {
    for (const other of this.#others.splice(0)) other.exec('ROLLBACK');
  }

  async killAfterCommit(): Promise<void> {
    this.#shim.arm('fsync-done-then-killed');
  }
}

function newLedger(): string {
  return join(testFolder(), 'orders.db');
}

function execute(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}
