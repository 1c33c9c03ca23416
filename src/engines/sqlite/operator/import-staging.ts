import Database from 'better-sqlite3';
import type { ImportedStore, StoreSink } from '../../../core/move/imported-store.ts';

/**
 * The stores of an import, without duplicates and in the order of their ids. A temporary file of SQLite keeps them, so
 * that memory does not bound their number; it vanishes with the process.
 */
export class ImportStaging implements StoreSink, Iterable<ImportedStore> {
  readonly #db = new Database('');
  readonly #insert: Database.Statement<[bigint, bigint, number]>;
  readonly #selectLine: Database.Statement<[bigint], number>;

  constructor() {
    this.#db.pragma('journal_mode = OFF');
    this.#db.exec(
      'CREATE TABLE staged (store_id INTEGER PRIMARY KEY, next_number INTEGER NOT NULL, line INTEGER NOT NULL) STRICT; BEGIN',
    );
    this.#insert = this.#db.prepare('INSERT INTO staged VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
    this.#selectLine = this.#db.prepare<[bigint], number>('SELECT line FROM staged WHERE store_id = ?').pluck();
  }

  add({ storeId, nextNumber }: ImportedStore, line: number): number | undefined {
    if (this.#insert.run(storeId, nextNumber, line).changes === 1) return undefined;
    return this.#selectLine.get(storeId);
  }

  get size(): number {
    return this.#db.prepare<[], number>('SELECT count(*) FROM staged').pluck().get() ?? 0;
  }

  *[Symbol.iterator](): Generator<ImportedStore, void> {
    const select = this.#db.prepare<[], { store_id: bigint; next_number: bigint }>(
      'SELECT store_id, next_number FROM staged ORDER BY store_id',
    );
    for (const row of select.safeIntegers().iterate()) {
      yield { storeId: row.store_id, nextNumber: row.next_number };
    }
  }

  close(): void {
    this.#db.close();
  }
}
