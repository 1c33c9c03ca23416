import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { packRequests, unpackOutcomes } from '../../../src/engines/sqlite/threads/packed-batch.ts';
import { Writer } from '../../../src/engines/sqlite/threads/writer.ts';
import type { Pair } from '../history/pair.ts';
import type { LedgerBytes } from './ledger-bytes.ts';
import { killed, readBytes } from './ledger-bytes.ts';

/** A moment in the life of a ledger: its files as a kill would leave them, and what callers had been told. */
export interface Moment {
  readonly bytes: LedgerBytes;
  readonly given: readonly Pair[];
}

/** So many that their table has an interior page. */
const STORES = 260;
/** Pages for a free list. Ledgers have none, unless another program has deleted something from them. */
const FREE_BYTES = 12 * 4096;
/** For keys that spread over all pages of their index. */
const [FACTOR, MODULUS, KEY_DIGITS] = [7919, 10007, 60];

/** A ledger of the engine's writer, in this thread. */
export class GivingLedger {
  readonly files: LedgerFiles;
  readonly given: Pair[] = [];
  readonly #folder: string;
  readonly #name: string;
  #writer: Writer | undefined;
  #release = (): void => {};
  #keys = 0;

  /** `name` is in its request_ids. */
  constructor(folder: string, name: string) {
    this.files = locateLedger(join(folder, `${name}.db`));
    this.#folder = folder;
    this.#name = name;
  }

  start(): void {
    const fence = takeFence(this.files);
    this.#release = () => fence.release();
    this.#writer = new Writer({ files: this.files, autoCreateStores: true, expected: undefined, lock: fence.identity });
    if (this.#writer.open({ atStart: true }) === 'busy') throw new Error(`${this.files.database} is busy`);
  }

  stop(): void {
    this.#writer?.close();
    this.#writer = undefined;
    this.#release();
  }

  /** One transaction with an allocation in each of these stores. */
  give(...storeIds: readonly number[]): void {
    const batch = storeIds.map((storeId) => this.#request(storeId));
    this.given.push(...commit(this.#writer!, batch));
  }

  /** Pages for every table and index, and a free list. Stopped before and afterwards. */
  fill(): void {
    this.start();
    this.give(...Array.from({ length: 2 * STORES }, (_, i) => 1 + (i % STORES)));
    this.stop();
    const db = new Database(this.files.database);
    db.exec(`CREATE TABLE spare (bytes BLOB); INSERT INTO spare VALUES (zeroblob(${FREE_BYTES})); DROP TABLE spare`);
    db.close();
    if (existsSync(this.files.wal)) throw new Error('the WAL was not moved into the database');
  }

  /** Changes of stores, which give no number. */
  changeStores(prefix: string): void {
    this.#writer!.createStore({ ...DEFAULT_STORE, storeId: 5000n });
    this.#writer!.updateStore(7n, { prefix });
  }

  checkpoint(): void {
    this.#writer!.beginPass();
    this.#writer!.finishCheckpoint();
  }

  moment(): Moment {
    const bytes = this.#writer ? killed(this.files, join(this.#folder, 'killed')) : readBytes(this.files);
    return { bytes, given: [...this.given] };
  }

  /** Every third store takes runs. */
  #request(storeId: number): AllocationRequest {
    const key = this.#keys++;
    const place = String((key * FACTOR) % MODULUS).padStart(KEY_DIGITS, '0');
    const requestId = `${place}-${this.#name}-${key}`;
    return { storeId: BigInt(storeId), requestId, count: storeId % 3 === 0 ? 3 : 1, caller: '' };
  }
}

/** One transaction; what its callers are told. */
export function commit(writer: Writer, batch: readonly AllocationRequest[]): Pair[] {
  const { outcomes } = writer.commit(packRequests(batch));
  return unpackOutcomes(outcomes, batch).map((outcome) => {
    if ('refused' in outcome) throw outcome.refused;
    const { orderId, storeId, orderNumber, count, requestId, createTimeMs } = outcome.allocation;
    return { orderId, storeId, orderNumber, count, requestId, createTimeMs };
  });
}
