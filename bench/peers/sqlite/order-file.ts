import DatabaseFile from 'better-sqlite3';
import type { Database, Statement } from 'better-sqlite3';
import type { Density } from '../../peer.ts';
import type { Order, Pair } from '../order-client.ts';
import type { StoredOrder } from '../stored-numbers.ts';
import { countDensity } from '../stored-numbers.ts';

/** The columns that our own ledger needs for an order, with the same keys. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS counter (last_order_id INTEGER NOT NULL) STRICT;
  INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
  CREATE TABLE IF NOT EXISTS stores (store_id INTEGER PRIMARY KEY, last_number INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS orders (
    order_id INTEGER PRIMARY KEY,
    store_id INTEGER NOT NULL,
    order_number INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    create_time_ms INTEGER NOT NULL,
    UNIQUE (request_id, store_id),
    UNIQUE (store_id, order_number)
  ) STRICT;
`;

/** An SQLite file of orders; each order is a transaction with an fsync of its own. */
export class OrderFile {
  readonly #db: Database;
  readonly #number: (order: Order) => Pair;

  /** Creates the file if it does not exist. */
  constructor(path: string) {
    this.#db = new DatabaseFile(path);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(SCHEMA);
    this.#number = this.#db.transaction(numberIn(this.#db)).immediate;
  }

  /** Numbers an order; a retry returns the numbers of the first attempt. */
  number(order: Order): Pair {
    return this.#number(order);
  }
}

function numberIn(db: Database): (order: Order) => Pair {
  const find: Statement<[string, number], Pair> = db.prepare(
    'SELECT order_id AS orderId, order_number AS orderNumber FROM orders WHERE request_id = ? AND store_id = ?',
  );
  const nextId = db
    .prepare<[], number>('UPDATE counter SET last_order_id = last_order_id + 1 RETURNING last_order_id')
    .pluck();
  const nextNumber = db
    .prepare<[number], number>(
      `INSERT INTO stores VALUES (?, 1)
       ON CONFLICT (store_id) DO UPDATE SET last_number = last_number + 1 RETURNING last_number`,
    )
    .pluck();
  const insert = db.prepare<[number, number, number, string, number]>('INSERT INTO orders VALUES (?, ?, ?, ?, ?)');
  return ({ storeId, requestId }) => {
    const stored = find.get(requestId, storeId);
    if (stored) return stored;
    const orderId = nextId.get()!;
    const orderNumber = nextNumber.get(storeId)!;
    insert.run(orderId, storeId, orderNumber, requestId, Date.now());
    return { orderId, orderNumber };
  };
}

/** Reads a file of orders, which may be in use. Throws as {@link countDensity} does. */
export function readOrderFile(path: string): Density {
  const db = new DatabaseFile(path, { readonly: true });
  try {
    const orders = db.prepare<[], StoredOrder>(
      'SELECT order_id AS orderId, store_id AS storeId, order_number AS orderNumber FROM orders',
    );
    const stores = db.prepare<[], [number, number]>('SELECT store_id, last_number FROM stores').raw().all();
    const last = db.prepare<[], number>('SELECT last_order_id FROM counter').pluck().get()!;
    return countDensity(orders.iterate(), {
      orders: { first: 1, last },
      stores: new Map(stores.map(([storeId, lastNumber]) => [storeId, { first: 1, last: lastNumber }])),
    });
  } finally {
    db.close();
  }
}
