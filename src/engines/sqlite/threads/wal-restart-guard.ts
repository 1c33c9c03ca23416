import type Database from 'better-sqlite3';
import { beginRead, openReadConnection } from '../file/connection.ts';

/**
 * Keeps the WAL from restarting before the mark says what the database holds without it. SQLite restarts a WAL at the
 * first commit after everything in it was moved, and from then on only the database knows of earlier commits. A read
 * transaction that sees the WAL keeps every process from doing so. It also keeps frames beyond the end that it sees
 * from being moved, hence {@link WalRestartGuard.move}.
 */
export class WalRestartGuard {
  readonly #connections: readonly [Database.Database, Database.Database];
  #holding: 0 | 1 = 0;

  /** Holds the WAL in its present state. */
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

  /** Lets everything be moved that was committed so far. The WAL is held at every moment. */
  move(): void {
    const next = this.#holding === 0 ? 1 : 0;
    beginRead(this.#connections[next]);
    this.#connections[this.#holding].exec('COMMIT');
    this.#holding = next;
  }

  /**
   * Lets the WAL restart once, at the next commit. Everything in it must be in the database, and the mark must say so.
   * From then on this transaction reads the database itself, into which nothing may be moved meanwhile.
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
