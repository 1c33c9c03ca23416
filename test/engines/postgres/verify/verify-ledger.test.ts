import { expect, it, onTestFinished } from 'vitest';
import type { Query } from '../../../../src/engines/postgres/statements/rows.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { databaseName, query } from '../../../support/postgres/database.ts';
import { withClient } from '../../../support/postgres/query.ts';
import {
  damageDatabase,
  findingsOf,
  inOrder,
  newLedgerDatabase,
  queryOf,
  RUNS,
  verifyDatabase,
  verifyUpTo,
} from '../../../support/ledgers/verified-ledger.ts';

const BY_ORDER_ID = 'allocations_by_order_id';
const BY_ORDER_NUMBER = 'allocations_by_order_number';
const BY_REQUEST_ID = 'allocations_by_request_id';
const INDEXES = [BY_ORDER_ID, BY_ORDER_NUMBER, BY_REQUEST_ID];
const drop = (index: string) => `ALTER TABLE allocations DROP CONSTRAINT ${index};`;
const DROP_ALL = INDEXES.map(drop).join(' ');
/** The findings if each of them is missing or wrong. */
const faultyIndexes = (end: bigint) => INDEXES.map(() => ['mismatch', undefined, 1n, end] as const);

it.each([
  [BY_ORDER_ID, 'is missing', drop(BY_ORDER_ID)],
  [BY_ORDER_NUMBER, 'is missing', drop(BY_ORDER_NUMBER)],
  [BY_REQUEST_ID, 'is missing', drop(BY_REQUEST_ID)],
  ['stores_pkey', 'is missing', 'ALTER TABLE stores DROP CONSTRAINT stores_pkey'],
  [
    BY_ORDER_NUMBER,
    'is not unique',
    `${drop(BY_ORDER_NUMBER)} CREATE INDEX ${BY_ORDER_NUMBER} ON allocations (store_id, order_number)`,
  ],
  [
    BY_ORDER_NUMBER,
    'is not over (store_id, order_number) of all rows',
    `${drop(BY_ORDER_NUMBER)}
     CREATE UNIQUE INDEX ${BY_ORDER_NUMBER} ON allocations (store_id, order_number) WHERE order_id > 0`,
  ],
  [
    BY_REQUEST_ID,
    'is not over (request_id, store_id) of all rows',
    `${drop(BY_REQUEST_ID)} CREATE UNIQUE INDEX ${BY_REQUEST_ID} ON allocations (request_id, store_id, order_id)`,
  ],
  [
    BY_REQUEST_ID,
    'is not over (request_id, store_id) of all rows',
    `${drop(BY_REQUEST_ID)} CREATE UNIQUE INDEX ${BY_REQUEST_ID} ON allocations (lower(request_id), store_id)`,
  ],
  [
    BY_REQUEST_ID,
    'is not valid',
    `SET allow_system_table_mods = on;
     UPDATE pg_index SET indisvalid = false WHERE indexrelid = '${BY_REQUEST_ID}'::regclass`,
  ],
])('P1 P2 P5: a verification reports that %s %s', async (index, fault, sql) => {
  const url = await newLedgerDatabase(RUNS);
  await damageDatabase(url, sql);
  const events = await verifyDatabase(url);
  expect(findingsOf(events)).toEqual([['mismatch', undefined, 1n, 12n]]);
  expect(events).toContainEqual(expect.objectContaining({ message: `the index ${index} ${fault}` }));
});

/** A ledger of several reads: one store with many numbers, and others with few. */
const MANY_ROWS = `
  INSERT INTO allocations
  SELECT i, store_id, 99 + row_number() OVER (PARTITION BY store_id ORDER BY i), 1, md5(i::text), i, '', '', 0
  FROM (SELECT i, CASE WHEN i % 10 = 0 THEN 10 + i ELSE 1 END AS store_id FROM generate_series(1, 25000) AS i) AS rows;
  INSERT INTO stores (store_id, first_number, last_number, create_time_ms)
  SELECT store_id, 100, max(order_number), 0 FROM allocations GROUP BY store_id;
  UPDATE ledger SET last_order_id = 25000;`;

// As after a disk fault: PostgreSQL trusts what its catalogue says about an index.
it.each([
  [BY_ORDER_NUMBER, 'store_id, order_number', ['mismatch', 1n, 1n, 22_500n]],
  [BY_REQUEST_ID, 'request_id, store_id', ['mismatch', undefined, 1n, 25_000n]],
])('P2 P5: a row missing in %s is named', async (index, columns, finding) => {
  const url = await newLedgerDatabase([]);
  await damageDatabase(
    url,
    `${MANY_ROWS} ${drop(index)} CREATE UNIQUE INDEX ${index} ON allocations (${columns}) WHERE order_id <> 3;
     SET allow_system_table_mods = on; UPDATE pg_index SET indpred = NULL WHERE indexrelid = '${index}'::regclass;`,
  );
  // Planned with and without statistics of the table.
  for (const _ of [1, 2]) {
    expect(findingsOf(await verifyDatabase(url))).toEqual([finding]);
    await query(url, 'ANALYZE');
  }
});

it('P1 P2 P5: duplicate rows are named if no index forbids them', async () => {
  const url = await newLedgerDatabase(RUNS);
  await damageDatabase(
    url,
    `${DROP_ALL}
     INSERT INTO allocations SELECT * FROM allocations WHERE order_id = 4`,
  );
  expect(findingsOf(await verifyDatabase(url))).toEqual(
    inOrder([
      // No index, and what each of them would have forbidden.
      ...faultyIndexes(12n),
      ['overlap', undefined, 4n, 5n],
      ['overlap', 7n, 102n, 103n],
      ['mismatch', 7n, 102n, 102n],
    ]),
  );
});

it("a store's counter behind its rows is named even without the index of order_numbers", async () => {
  const url = await newLedgerDatabase(RUNS);
  await damageDatabase(url, `${drop(BY_ORDER_NUMBER)} UPDATE stores SET last_number = 104 WHERE store_id = 7`);
  expect(findingsOf(await verifyDatabase(url))).toEqual([
    ['mismatch', undefined, 1n, 12n],
    ['mismatch', 7n, 105n, 105n],
  ]);
});

it('P1 P2 P5: a large ledger is read in many short reads', async () => {
  const url = await newLedgerDatabase([]);
  await damageDatabase(url, MANY_ROWS);
  await withClient(url, async (client) => {
    let mostRows = 0;
    const counting: Query = async (text, values) => {
      const rows = await queryOf(client)<never>(text, values);
      mostRows = Math.max(mostRows, rows.length);
      return rows;
    };
    const events = await verifyUpTo(counting, undefined, 25_000n);
    expect(findingsOf(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true, rows: 25_000n, sequences: 2502n });
    expect((await verifyUpTo(counting, 1n, 25_000n)).at(-1)).toMatchObject({ ok: true, rows: 22_500n });
    expect(mostRows).toBe(10_000);
  });
});

it('P1 P2 P5: duplicates are named even across the boundary of two reads', async () => {
  const url = await newLedgerDatabase([]);
  // The row of order_id 10000 is the last of the first read; that of store 1's number 10099 is, by its numbers.
  await damageDatabase(
    url,
    `${MANY_ROWS} ${DROP_ALL}
     INSERT INTO allocations SELECT * FROM allocations
     WHERE order_id = 10000 OR (store_id = 1 AND order_number = 10099);
     CREATE INDEX ${BY_ORDER_NUMBER} ON allocations (store_id, order_number);
     CREATE INDEX ${BY_REQUEST_ID} ON allocations (request_id, store_id);`,
  );
  const [{ order_id: other }] = (await query(
    url,
    'SELECT order_id FROM order_numbers.allocations WHERE store_id = 1 AND order_number = 10099 LIMIT 1',
  )) as [{ order_id: bigint }];
  expect(findingsOf(await verifyDatabase(url))).toEqual(
    inOrder([
      ...faultyIndexes(25_000n),
      ['overlap', undefined, 10_000n, 10_000n],
      ['overlap', 10_010n, 100n, 100n],
      ['mismatch', 10_010n, 100n, 100n],
      ['mismatch', 10_010n, 10_000n, 10_000n],
      ['overlap', undefined, other, other],
      ['overlap', 1n, 10_099n, 10_099n],
      ['mismatch', 1n, 10_099n, 10_099n],
      ['mismatch', 1n, other, other],
    ]),
  );
});

it('P1 P2: a ledger that grows meanwhile is verified up to the requested end', async () => {
  const url = await newLedgerDatabase(RUNS);
  const done = new AbortController();
  const load = Array.from({ length: 4 }, (_, writer) =>
    withClient(url, async (client) => {
      for (let i = 0; !done.signal.aborted; i++) {
        const items = Array.from({ length: 50 }, (_item, item) => item);
        await client.query('SELECT order_numbers.allocate($1, $2, $3, true)', [
          // Old stores and new ones.
          items.map((item) => (item % 10 === 0 ? 100 + i : (item % 3) + 6)),
          items.map((item) => `${writer}-${i}-${item}`),
          items.map((item) => item + 1),
        ]);
      }
    }),
  );
  try {
    await withClient(url, async (client) => {
      const read = queryOf(client);
      for (let round = 0; round < 10; round++) {
        const [end] = await read<{ last_order_id: bigint }>('SELECT last_order_id FROM order_numbers.ledger_end()');
        const events = await verifyUpTo(read, undefined, end!.last_order_id);
        expect(findingsOf(events)).toEqual([]);
        const one = await verifyUpTo(read, 7n, end!.last_order_id);
        expect(one.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
        expect(one.filter(isOfStoreSeven)).toEqual(events.filter(isOfStoreSeven));
      }
    });
  } finally {
    done.abort();
    await Promise.all(load);
  }
});

function isOfStoreSeven(event: VerifyEvent): boolean {
  return event.kind === 'sequence' && event.storeId === 7n;
}

it('is refused by a server that is behind, so that its missing rows do not count as holes', async () => {
  const url = await newLedgerDatabase(RUNS);
  await withClient(url, async (client) => {
    await expect(verifyUpTo(queryOf(client), undefined, 13n)).rejects.toMatchObject({ code: '57P03' });
  });
});

it('requires no more rights than a server has', async () => {
  const url = await newLedgerDatabase(RUNS);
  const role = `${databaseName(url)}_server`;
  await query(
    url,
    `CREATE ROLE ${role}; GRANT USAGE ON SCHEMA order_numbers TO ${role};
     GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA order_numbers TO ${role}`,
  );
  onTestFinished(async () => void (await query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`)));
  await withClient(url, async (client) => {
    await client.query(`SET ROLE ${role}`);
    await expect(client.query('SELECT FROM order_numbers.ledger')).rejects.toThrow(/permission denied/);
    for (const storeId of [undefined, 7n]) {
      const events = await verifyUpTo(queryOf(client), storeId, 12n);
      expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
    }
  });
});
