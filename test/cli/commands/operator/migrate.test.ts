import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fillLedger, fills, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { move, richLedger, textOfDatabase, textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { localOrderNumbers as orderNumbers } from '../../../support/processes/local-command.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { withClient } from '../../../support/postgres/query.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { atTerminal, pretendedTerminal } from '../../../support/processes/terminal.ts';

/** A file of 60 rows of three stores, created without a server. */
function smallLedger(): string {
  return fillLedger(join(testFolder(), 'orders.db'), ...fills(60)).database;
}

/** Asserts that the file is not sealed: it allocates this order_id next. */
async function expectServed(ledger: string, orderId: bigint): Promise<void> {
  const { allocation } = await whileServed(ledger, (client) => client.allocate(1n, 1, 'still-here'));
  expect(allocation.orderId).toBe(orderId);
}

it('P1 P2 P3 P5: a server on the database continues exactly where the file ended, and the file is refused', async () => {
  const from = await richLedger();
  const to = await newDatabase();
  const before = textOfFile(from);
  const [runs, firstPage] = await whileServed(from, async (client) => [
    [
      await client.allocate(2n ** 53n + 1n, 3, '"quoted\\,{request}'),
      await client.allocate(5n, 401, 'run-4'),
      await client.allocate(2n ** 63n - 1n, 1000, 'all-of-them'),
      await client.allocate(7n, 1, 'the-last-one'),
    ],
    await client.listAllocations({ pageSize: 4 }),
  ]);
  const lastOrderId = BigInt(before.ledger[0]!.split(',')[2]!);

  const moved = await move(from, to);
  expect(moved).toMatchObject({ exitCode: 0 });
  expect(moved.stderr).toBe(`moved: serve it with --ledger ${to}, and keep ${from} as an archive\n`);
  const fields = Object.fromEntries(moved.stdout.split('\n').map((line) => line.split(/ +/))) as object;
  expect(fields).toMatchObject({ from, to, rows: '9', stores: '9', last_order_id: String(lastOrderId) });
  expect(Object.keys(fields)).toContain('seconds');
  expect(before.losses.length).toBeGreaterThan(5);
  expect(before.callers.length).toBeGreaterThan(3);
  expect(await textOfDatabase(to)).toEqual(before);
  expect(textOfFile(from)).toEqual(before);

  expect(await refusedStart(from)).toBe(`${from} was moved to ${to} and must never number again; serve that one`);
  await whileServed(to, async (client) => {
    for (const { allocation } of runs) {
      const { storeId, count, requestId } = allocation;
      expect(await client.allocate(storeId, count, requestId)).toEqual({ allocation, replayed: true });
    }
    const next = await client.allocate(2n ** 53n + 1n, 2, 'next');
    const last = before.allocations.at(-1)!.split(',');
    expect(next.allocation).toMatchObject({ orderId: lastOrderId + 1n, orderNumber: BigInt(last[2]!) + 1n });
    await expect(client.allocate(7n, 1, 'one-too-many')).rejects.toMatchObject({ details: /2\^63-1/ });
    const rest = await client.listAllocations({ pageSize: 1000, pageToken: firstPage.nextPageToken });
    const listed = [...firstPage.allocations, ...rest.allocations].map(({ orderId }) => String(orderId));
    expect(listed).toEqual(before.allocations.map((row) => row.split(',')[0]));
  });
});

it('says that the move is already done, and changes nothing', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  const first = await move(from, to, '--json');
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  const summary = { from, to, rows: '60', stores: '3', lastOrderId: '60', ledgerId: expect.any(String) as string };
  expect(JSON.parse(first.stdout)).toEqual({ ...summary, wasDone: false, seconds: expect.any(Number) as number });
  await whileServed(to, (client) => client.allocate(1n, 1, 'new'));

  const again = await move(from, to);
  expect(again).toMatchObject({ exitCode: 0, stderr: `nothing to do: ${from} was already moved to ${to}\n` });
  const { stdout } = await move(from, to, '--json');
  expect(JSON.parse(stdout)).toMatchObject({ ...summary, wasDone: true });
  expect((await textOfDatabase(to)).allocations).toHaveLength(61);
});

it('the password appears in no message and not in the file', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  const { port, pathname } = new URL(to);
  const lost = await move(from, `postgres://postgres:geheim@127.0.0.1:1,127.0.0.1:2${pathname}`);
  expect(lost.stderr).toBe(
    'error: PostgreSQL on 127.0.0.1:1 cannot be used (connect ECONNREFUSED 127.0.0.1:1); check that it is running, and the ' +
      'URL; PostgreSQL on 127.0.0.1:2 cannot be used (connect ECONNREFUSED 127.0.0.1:2); check that it is running, and the ' +
      `URL; nothing was moved, and ${from} can still be served; run the same command again to continue\n`,
  );
  // The first host that is a primary, here the second.
  const hosts = `127.0.0.1:1,127.0.0.1:${port}${pathname}`;
  const { exitCode, stdout, stderr } = await move(from, `postgres://postgres:geheim@${hosts}`);
  expect({ exitCode, said: stdout + stderr }).toEqual({ exitCode: 0, said: expect.not.stringContaining('geheim') });
  expect(await refusedStart(from)).toContain(`was moved to postgres://postgres@${hosts} and`);
});

it('P1: a database whose name has changed, as after a failover, is recognized', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  expect((await move(from, to)).exitCode).toBe(0);
  const again = await move(from, to.replace('127.0.0.1', 'localhost'));
  expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^nothing to do: /) });
});

it('P8: a move is refused while a server runs on the file, and the server continues', async () => {
  const from = smallLedger();
  await new LocalServer(from).serving();
  expect(await move(from, await newDatabase())).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^error: .*orders\.db is in use by another order-numbers process; stop .*\n$/),
  });
});

it('P9: an older copy of the file is refused as a server would refuse it', async () => {
  const from = smallLedger();
  const older = join(testFolder(), 'older.db');
  copyFileSync(from, older);
  fillLedger(from, ...fills(1, { name: 'newer' }));
  copyFileSync(`${from}.mark`, `${older}.mark`);
  expect((await move(older, await newDatabase())).stderr).toMatch(/ends at order_id 60, but 61 was already given/);
});

it('P1: an unsealed copy of the file is recognized once the database numbers', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  const copy = join(testFolder(), 'copy.db');
  copyFileSync(from, copy);
  copyFileSync(`${from}.mark`, `${copy}.mark`);
  expect((await move(from, to)).exitCode).toBe(0);
  const { exitCode, stderr } = await move(copy, to);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(
    `error: ${to} already serves this ledger, but ${copy} is not sealed: it is an older copy and must not be ` +
      'served\n',
  );
});

it('P1: a sealed file moves nowhere else, not even into an empty database of the same name', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  expect((await move(from, to)).exitCode).toBe(0);
  expect((await move(from, await newDatabase())).stderr).toBe(
    `error: ${from} was moved to ${to} and must never number again; serve that one\n`,
  );
  await query(to, 'DROP SCHEMA order_numbers CASCADE');
  expect((await move(from, to)).stderr).toMatch(
    /^error: .* instead of the one that was moved to it; put that one back/,
  );
  expect(await query(to, 'SELECT moving_from FROM order_numbers.ledger')).toEqual([{ moving_from: null }]);
});

it.each([
  ['numbers', "SELECT order_numbers.allocate('{7}', '{r}', '{1}', true)", /last order_id 1, stores 1\); only an empty/],
  ['a store', "SELECT order_numbers.create_store(7, 100, '', '', 0)", /last order_id 0, stores 1\)/],
  ['losses', 'INSERT INTO order_numbers.declared_losses VALUES (7, 1, 1, 0)', /already has a ledger of its own/],
  [
    'the unfinished copy of another',
    "UPDATE order_numbers.ledger SET moving_from = 'x'",
    /of another ledger, x; finish/,
  ],
  ['no counter', 'DELETE FROM order_numbers.ledger', /the table ledger of .* is empty; use another database/],
])('a database that has %s is refused, and named, and the file remains in service', async (_, sql, message) => {
  const from = smallLedger();
  const to = await newDatabase();
  await orderNumbers(['migrate', '--to', to]);
  await query(to, sql);
  const { exitCode, stdout, stderr } = await move(from, to);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr).toContain(to);
  expect(stderr).toMatch(/; nothing was moved, and .*orders\.db can still be served\n$/);
  await expectServed(from, 61n);
});

it('P1: a damaged file is not moved, and the damage is named', async () => {
  const from = smallLedger();
  tamper(from, 'DELETE FROM allocations WHERE order_id = 30');
  const { exitCode, stderr } = await move(from, await newDatabase());
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/and its copy are damaged: .*30.*; nothing was moved, and .* can still be served/);
  await expectServed(from, 61n);
});

it('--print prints the SQL that --to runs', async () => {
  const printed = await newDatabase();
  const made = await newDatabase();
  const { exitCode, stdout, stderr } = await orderNumbers(['migrate', '--print']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  await query(printed, stdout);
  const [{ version }] = (await query(printed, 'SELECT order_numbers.schema_version() AS version')) as [
    { version: number },
  ];
  expect(await orderNumbers(['migrate', '--to', printed, '--json'])).toEqual({
    exitCode: 0,
    stdout: `{"to":"${printed}","schemaVersion":${version},"changed":false}\n`,
    stderr: '',
  });
  expect(await orderNumbers(['migrate', '--to', made])).toEqual({
    exitCode: 0,
    stdout: `to      ${made}\nschema  version ${version}, created\n`,
    stderr: '',
  });
  expect(await catalogue(printed)).toEqual(await catalogue(made));
  expect((await whileServed(printed, (client) => client.allocate(7n))).allocation.orderId).toBe(1n);
});

it('requires the rights of the owner, and says so', async () => {
  const from = smallLedger();
  const to = await newDatabase();
  const role = `mover_${new URL(to).pathname.slice(1)}`;
  await query(to, `CREATE ROLE ${role} LOGIN`);
  onTestFinished(async () => void (await query(to, `DROP OWNED BY ${role}; DROP ROLE ${role}`)));
  const asRole = to.replace('postgres@', `${role}@`);
  expect((await orderNumbers(['migrate', '--to', asRole])).stderr).toMatch(/may not use or create the schema.*--print/);
  await query(to, `GRANT CREATE ON DATABASE ${new URL(to).pathname.slice(1)} TO ${role}`);
  // A server of another role is connected, whose sessions this one may not end.
  await orderNumbers(['migrate', '--to', asRole]);
  const server = new LocalServer(to);
  await server.serving();
  expect((await move(from, asRole)).stderr).toMatch(
    /servers are already connected to .*; stop them first; nothing was moved/,
  );
  expect(await server.stop()).toBe(0);
  await query(to, `ALTER TABLE order_numbers.allocations OWNER TO postgres`);
  expect((await move(from, asRole)).stderr).toMatch(/permission denied .*; move the ledger as the owner of the schema/);
  await query(to, `ALTER TABLE order_numbers.allocations OWNER TO ${role}`);
  expect(await move(from, asRole)).toMatchObject({ exitCode: 0 });
});

it.each([
  ['nothing to do', [], /give the database with --to postgres:\/\//],
  ['a file alone', ['--from', 'package.json'], /give the database with --to postgres:\/\//],
  ['--print and more', ['--print', '--to', 'postgres://h/d'], /--print takes no other option/],
  ['a path for --to', ['--to', 'data/orders.db'], /Use postgres:\/\/user@host/],
  ['another URL for --to', ['--to', 'mysql://h/d'], /it looks like the URL of something else/],
  ['--give-up alone', ['--give-up'], /give --give-up with --from, and without --to/],
  ['one engine', ['--from', 'postgres://h/d', '--to', 'postgres://h/e'], /--from and --to are in the same engine/],
  [
    'a file that is not there',
    ['--from', '/nowhere.db', '--to', 'postgres://h/d'],
    /nowhere\.db' .* The file does not exist/,
  ],
])('wrong usage, %s, prints one line and exits with 2', async (_, flags, remedy) => {
  const { exitCode, stdout, stderr } = await orderNumbers(['migrate', ...flags]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(remedy);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

it.each([
  ['', /empty file and not a ledger/],
  ['this is a text and no database, however long it may be'.repeat(20), /cannot be used: file is not a database/],
])('a file that is not a ledger is refused', async (content, message) => {
  const from = join(testFolder(), 'orders.db');
  writeFileSync(from, content);
  const { exitCode, stderr } = await move(from, await newDatabase());
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(message);
});

it('--help has examples', async () => {
  expect(await orderNumbers(['migrate', '--help'])).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('Examples:\n  order-numbers migrate --print | psql'),
  });
});

it('a terminal shows the progress', async () => {
  const command = ['migrate', '--from', smallLedger(), '--to', await newDatabase()];
  const { said, exitCode } = await atTerminal(pretendedTerminal, command);
  expect({ said, exitCode }).toMatchObject({ exitCode: 0 });
  for (const step of ['copying [', 'comparing [', 'verifying [', 'last_order_id']) expect(said).toContain(step);
});

/** What the schema is made of. */
async function catalogue(url: string): Promise<unknown> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT 'column' AS kind, format('%s.%s %s %s %s %s', relname, attname, atttypid::regtype, attnotnull, attcollation::regcollation,
         pg_get_expr(adbin, adrelid)) AS text
       FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE relnamespace = 'order_numbers'::regnamespace AND attnum > 0
       UNION ALL SELECT 'table', format('%s %s %s', relname, reloptions, relacl)
       FROM pg_class WHERE relnamespace = 'order_numbers'::regnamespace
       UNION ALL SELECT 'constraint', format('%s %s', conname, pg_get_constraintdef(oid))
       FROM pg_constraint WHERE connamespace = 'order_numbers'::regnamespace
       UNION ALL SELECT 'function', format('%s %s', pg_get_functiondef(oid), proacl)
       FROM pg_proc WHERE pronamespace = 'order_numbers'::regnamespace
       UNION ALL SELECT 'version', version::text FROM order_numbers.migrations ORDER BY 1, 2`,
    );
    expect(rows.length).toBeGreaterThan(50);
    return rows;
  });
}
