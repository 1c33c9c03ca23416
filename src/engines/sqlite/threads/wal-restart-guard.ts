import type Database from 'better-sqlite3';
import { beginRead, openReadConnection } from '../file/connection.ts';

/**
 * Keeps the WAL from starting anew before the mark says what the database holds alone. SQLite begins a WAL again at the
 * first commit after everything in it was moved, and then the database is all that knows of the time before; a read
 * transaction that looks into the WAL forbids that to every process. It forbids, too, to move what is behind the end that
 * it sees: hence {@link WalRestartGuard.move}.
 */
export class WalRestartGuard {
  readonly #connections: readonly [Database.Database, Database.Database];
  #holding: 0 | 1 = 0;

  /** Holds the WAL as it is. */
  constructor(database: string) {
    const first = openReadConnection(database);
    try {
      this.#connections = [first, openReadConnection(database)];
      beginRead(first);
    } catch (error) {
      first.close();
      throw error;
    }
  }

  /** Lets everything be moved that was committed so far. At no moment nobody holds the WAL. */
  move(): void {
    const next = this.#holding === 0 ? 1 : 0;
    beginRead(this.#connections[next]);
    this.#connections[this.#holding].exec('COMMIT');
    this.#holding = next;
  }

  /**
   * Lets the WAL start anew at the next commit, once; everything in it must be in the database, and the mark must say so.
   * From then on this transaction reads the database itself, which nothing may be moved into meanwhile.
   */
  renew(): void {
    const connection = this.#connections[this.#holding];
    connection.exec('COMMIT');
    beginRead(connection);
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
