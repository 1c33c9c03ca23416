import Database from 'better-sqlite3';

/** A store of the shop that is carried over. */
export interface ImportedStore {
  /** 1 to 2^63-1. */
  readonly storeId: bigint;
  /** The order_number it goes on with, 1 to 2^63-1. */
  readonly nextNumber: bigint;
}

/**
 * The stores of an import, checked for doubles and put in order. In a temporary file of SQLite, so that their
 * number is not bounded by the memory; it goes with the process.
 */
export class ImportStaging {
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

  /** Takes a store from this line; returns the line that had it before, and then takes nothing. */
  add({ storeId, nextNumber }: ImportedStore, line: number): number | undefined {
    if (this.#insert.run(storeId, nextNumber, line).changes === 1) return undefined;
    return this.#selectLine.get(storeId);
  }

  get size(): number {
    return this.#db.prepare<[], number>('SELECT count(*) FROM staged').pluck().get() ?? 0;
  }

  /** In the order of their ids. */
  *stores(): IterableIterator<ImportedStore> {
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
