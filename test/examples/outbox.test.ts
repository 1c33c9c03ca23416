import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { customDisplayId } from '../../examples/medusa/custom-display-id.ts';
import { numberOrders, work } from '../../examples/outbox/number-orders.ts';
import { createClient } from '../../src/client/index.ts';
import { ROOT } from '../project/documents.ts';
import { assertDense } from '../support/ledgers/density.ts';
import { newDatabase } from '../support/postgres/database.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { until } from '../support/until.ts';

const ORDERS = 60;
const INSERT = 'INSERT INTO orders (store_id, total_cents) VALUES ($1, 100) RETURNING id';

it('P1 P2 P5: the outbox numbers each committed order once, whoever takes it, and none that was rolled back', async () => {
  const { db, client, ledger } = await shop();
  const ids: string[] = [];
  for (let i = 0; i < ORDERS; i++) ids.push((await db.query<{ id: string }>(INSERT, [7 + (i % 2)])).rows[0]!.id);
  await rollBack(db);
  // A worker had this one numbered and died before it wrote that down.
  const lost = await client.allocate({ storeId: 7, requestId: ids[0]! });

  const stop = new AbortController();
  const workers = [1, 2, 3].map(() => work(db, client, stop.signal));
  await until('every order has a number', async () => (await numbersOf(db)).every(({ order_id: id }) => id !== null));
  stop.abort();
  await Promise.all(workers);

  const numbers = await numbersOf(db);
  expect(numbers.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  expect(numbers.find(({ id }) => id === ids[0])).toMatchObject({ order_id: String(lost.orderId) });
  const rows = assertDense(ledger).map((row) => [row.request_id, row.order_id, row.order_number].join(' '));
  expect(numbers.map((row) => [row.id, row.order_id, row.order_number].join(' '))).toEqual(rows);
});

it('P6: an order that is refused keeps its key, and delays no other', async () => {
  const { db, client, ledger } = await shop();
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());
  await db.query(INSERT, [0]);
  await db.query(INSERT, [7]);
  expect(await numberOrders(db, client)).toBe(1);
  expect(said).toHaveBeenCalledOnce();
  expect(await numberOrders(db, client)).toBe(0);
  const { rows } = await db.query('SELECT store_id FROM orders WHERE order_number IS NULL AND number_after > now()');
  expect(rows).toEqual([{ store_id: '0' }]);
  expect(assertDense(ledger)).toHaveLength(1);
});

it('P5: a cart of Medusa that is completed again gets the same number; an order without a cart gets none', async () => {
  const { client, ledger } = await shop();
  const generate = customDisplayId(client, 7);
  const [cart, other] = ['cart_01', 'cart_02'].map((id) => ({ items: [{}, { cart_id: id }] }));
  expect([await generate(cart!), await generate(cart!), await generate(other!)]).toEqual(['100', '100', '101']);
  expect([await generate({ items: [{}] }), await generate({})]).toEqual([undefined, undefined]);
  expect(assertDense(ledger)).toHaveLength(2);
});

/** The database of a shop, and a server with a ledger of its own. */
async function shop() {
  const db = new Pool({ connectionString: await newDatabase() });
  const sessions = new Set<unknown>();
  db.on('connect', (session) => sessions.add(session)).on('remove', (session) => sessions.delete(session));
  onTestFinished(async () => {
    await db.end();
    // The database is dropped next, and end() does not wait until the sessions have closed.
    await until('its sessions have ended', () => sessions.size === 0);
  });
  await db.query(readFileSync(`${ROOT}examples/outbox/orders.sql`, 'utf8'));
  const ledger = join(testFolder(), 'orders.db');
  const client = createClient({ address: await new LocalServer(ledger).serving() });
  onTestFinished(() => client.close());
  return { db, client, ledger };
}

async function rollBack(db: Pool): Promise<void> {
  const session = await db.connect();
  await session.query('BEGIN');
  await session.query(INSERT, [7]);
  await session.query('ROLLBACK');
  session.release();
}

async function numbersOf(db: Pool) {
  type Row = Readonly<Record<'id' | 'order_id' | 'order_number', string>>;
  return (await db.query<Row>('SELECT id, order_id, order_number FROM orders ORDER BY order_id')).rows;
}
