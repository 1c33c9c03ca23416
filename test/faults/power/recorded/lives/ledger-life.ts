import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { backupLedger } from '../../../../../src/engines/sqlite/operator/backup.ts';
import { checkpoint } from '../../../../../src/engines/sqlite/file/checkpoint.ts';
import { openWriteConnection } from '../../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../../src/engines/sqlite/file/fence.ts';
import type { LedgerFiles } from '../../../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../../../src/engines/sqlite/file/ledger-files.ts';
import { packRequests, unpackOutcomes } from '../../../../../src/engines/sqlite/threads/packed-batch.ts';
import { Writer } from '../../../../../src/engines/sqlite/threads/writer.ts';
import { DEFAULT_STORE } from '../../../../../src/core/store.ts';
import { TOLD } from '../writes/folder-state.ts';
import type { AskedOrder } from './told.ts';
import { Told, askedLine, givenLine } from './told.ts';

/** The store whose prefix changes. */
export const STYLED_STORE = 9n;

/** Where the backups of the ledger in this folder are. */
export function backupsBeside(folder: string): string {
  return join(folder, '..', 'backups');
}

/** A request_id: those of a ledger sort by their digits, so that they spread over its whole index. */
export function requestIdOf(key: number): string {
  return `${String((key * 7919) % 10007).padStart(100, '0')}-${key}`;
}

/**
 * The life of a ledger in one process: the real writer, without its threads. What callers ask and are told goes into the
 * file `told` of its folder: see told.ts.
 */
export class LedgerLife {
  readonly files: LedgerFiles;
  readonly told = new Told();
  readonly #folder: string;
  readonly #fence;
  #writer: Writer | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.files = locateLedger(join(folder, 'orders.db'));
    this.#fence = takeFence(this.files);
    mkdirSync(backupsBeside(folder), { recursive: true });
    if (existsSync(join(folder, TOLD))) this.told.apply(readFileSync(join(folder, TOLD), 'latin1'));
  }

  open(): void {
    const { files } = this;
    this.#writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: this.#fence.identity });
    if (this.#writer.open({ atStart: true }) === 'busy') throw new Error('busy');
  }

  close(): void {
    this.#opened.close();
  }

  /** Commits one batch, and says so. */
  commit(orders: readonly AskedOrder[]): void {
    this.#tell(...orders.map(askedLine));
    const batch = orders.map((order) => ({ ...order, caller: '' }));
    const { outcomes } = this.#opened.commit(packRequests(batch));
    const lines = unpackOutcomes(outcomes, batch).map((outcome) => {
      if ('refused' in outcome) throw outcome.refused;
      const { requestId, orderId, orderNumber } = outcome.allocation;
      return givenLine(requestId, orderId, orderNumber);
    });
    this.#tell(...lines);
  }

  style(prefix: string): void {
    this.#tell(`ask-prefix ${prefix}`);
    this.#opened.updateStore(STYLED_STORE, { prefix });
    this.#tell(`prefix ${prefix}`);
  }

  createStore(storeId: bigint): void {
    this.#opened.createStore({ ...DEFAULT_STORE, storeId });
  }

  /** As the checkpointer thread does it; `meanwhile` something may be committed. */
  checkpoint(meanwhile: () => void = () => {}): void {
    const db = openWriteConnection(this.files.database);
    this.#opened.beginPass();
    checkpoint(db, 'PASSIVE');
    meanwhile();
    this.#opened.finishCheckpoint();
    db.close();
  }

  /** Runs `meanwhile` beside a long read, which keeps checkpoints incomplete. */
  readMeanwhile(meanwhile: () => void): void {
    const reader = new Database(this.files.database, { readonly: true });
    reader.exec('BEGIN; SELECT * FROM ledger');
    meanwhile();
    reader.close();
  }

  /** Two copies of the ledger as it is now: as `backup` makes it, and the file itself with its WAL moved into it. */
  async backup(): Promise<void> {
    await backupLedger(this.files.database, this.#backupPath(), { force: false });
    this.#tell(`backup ${this.told.backups}`);
    const copy = this.#backupPath();
    // Another process copies: see locateLedger.
    execFileSync('cp', [this.files.database, copy]);
    if (existsSync(this.files.wal)) execFileSync('cp', [this.files.wal, `${copy}-wal`]);
    const db = new Database(copy);
    db.prepare('SELECT 1 FROM ledger').get();
    db.close();
    this.#tell(`backup ${this.told.backups}`);
  }

  get #opened(): Writer {
    if (!this.#writer) throw new Error('not open');
    return this.#writer;
  }

  /** The place for the next one. */
  #backupPath(): string {
    return join(backupsBeside(this.#folder), String(this.told.backups));
  }

  #tell(...lines: string[]): void {
    const text = `${lines.join('\n')}\n`;
    appendFileSync(join(this.#folder, TOLD), text);
    this.told.apply(text);
  }
}
