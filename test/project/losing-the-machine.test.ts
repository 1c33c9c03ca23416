import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { assertDense } from '../support/ledgers/density.ts';
import { connect } from '../support/clients/orders-client.ts';
import { newDatabase, query } from '../support/postgres/database.ts';
import { localOrderNumbers } from '../support/processes/local-command.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../support/processes/server-process.ts';
import { wordsOf } from './checkout.ts';
import { blockLines, documentAt } from './documents.ts';

const PAGE = documentAt('docs/losing-the-machine.md');

it('P9: the drill, line by line: the machine is lost, and no number is allocated twice', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'old'));
  const lines = blockLines(PAGE, 'sh', '## SQLite');
  for (const line of lines.filter((each) => each.startsWith('mkdir'))) {
    expect((await run(line, folder)).exitCode).toBe(0);
  }
  const [backup, ship, refused, show, stores, restore, verify, serve, fromSnapshot, ...more] = lines.filter(
    (line) => !line.startsWith('mkdir'),
  );
  expect(more).toEqual([]);
  const old = new ServerProcess(join(folder, 'old/orders.db'));
  const given = await number(old, ['7 a', '7 b', '7 c', '7 d', '7 e']);
  expect((await run(backup!, folder)).exitCode).toBe(0);
  given.push(...(await number(old, ['7 f', '7 g', '8 h'])));
  expect((await run(ship!, folder)).exitCode).toBe(0);
  given.push(...(await number(old, ['7 i', '7 j', '8 k', '7 l', '7 m', '7 n'])));
  // All files at one instant, as a volume's snapshot has them.
  old.child.kill('SIGSTOP');
  cpSync(join(folder, 'old'), join(folder, 'snapshot'), { recursive: true });
  await old.kill();
  rmSync(join(folder, 'old'), { recursive: true });

  expect(await run(refused!, folder)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/all numbers given after order_id 5 \(the backup file .*\) would be given again/),
  });
  expect((await run(show!, folder)).stdout).toMatch(/last_order_id=0*8 /);
  expect((await run(stores!, folder)).exitCode).toBe(0);
  expect(await run(restore!, folder)).toMatchObject({ exitCode: 0 });
  expect(await run(verify!, folder)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/declared losses[^]*all stores +6 +20[^]*no gaps, no duplicates/),
  });
  expect(await afterwards(serve!, given, folder)).toEqual(
    // Store 7 gave 100 to 111 and continues as the file says, store 8 gave 100 and 101.
    expect.objectContaining({ first: [21n, 7n, 112n], repeated: [] }),
  );

  expect(await run(fromSnapshot!, folder)).toMatchObject({ exitCode: 0 });
  expect(assertDense(join(folder, 'snapshot/orders.db'))).toHaveLength(14);
  expect(await afterwards('order-numbers serve --ledger from-snapshot/orders.db', given, folder)).toMatchObject({
    repeated: [],
  });
});

it('P9: the drill on PostgreSQL: the database is restored to an earlier time, and no number is allocated twice', async () => {
  const folder = testFolder();
  const [declare, verify, serve, ...more] = blockLines(PAGE, 'sh', '## PostgreSQL');
  expect(more).toEqual([]);
  const url = await newDatabase();
  const at = (line: string) => line.replace('postgres://orders@db1/orders', url);
  const old = new ServerProcess(url);
  const given = await number(old, ['7 a', '7 b', '7 c', '7 d', '7 e']);
  const copies = ['ledger', 'stores', 'allocations'];
  for (const table of copies) await query(url, `CREATE TABLE ${table} AS SELECT * FROM order_numbers.${table}`);
  given.push(...(await number(old, ['7 f', '8 g', '7 h'])));
  await old.kill();
  for (const table of copies) {
    await query(url, `DELETE FROM order_numbers.${table}`);
    await query(url, `INSERT INTO order_numbers.${table} SELECT * FROM ${table}`);
  }
  writeFileSync(join(folder, 'stores.csv'), 'store_id,next_number\n7,112\n8,102\n');

  expect(await run(at(declare!), folder)).toMatchObject({ exitCode: 0 });
  expect(await run(at(verify!), folder)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/declared losses[^]*all stores +6 +20[^]*no gaps, no duplicates/),
  });
  expect(await afterwards(at(serve!), given)).toEqual(
    expect.objectContaining({ first: [21n, 7n, 112n], repeated: [] }),
  );
});

type Given = readonly [orderId: bigint, storeId: bigint, orderNumber: bigint];

/** Starts the server of this line; the first pair that it gives, and those that were given before. */
async function afterwards(line: string, given: readonly Given[], cwd = '') {
  const ledger = /--ledger (\S+)$/.exec(line)![1]!;
  const server = new LocalServer(cwd === '' ? ledger : join(cwd, ledger));
  const now = await number(server, ['7 o', '8 p', '9 q', '7 r']);
  expect(await server.stop()).toBe(0);
  const known = new Set(given.flatMap(([order, store, n]) => [`${order}`, `${store}/${n}`]));
  const repeated = now.filter(([order, store, n]) => known.has(`${order}`) || known.has(`${store}/${n}`));
  return { first: now[0], repeated };
}

/** Numbers orders, each a store and a request_id, one after the other. */
async function number(server: LocalServer | ServerProcess, orders: readonly string[]): Promise<Given[]> {
  const client = connect(await server.serving());
  const given: Given[] = [];
  for (const order of orders) {
    const [store, requestId] = order.split(' ');
    const { allocation } = await client.allocateOrder({ storeId: BigInt(store!), requestId: requestId! });
    given.push([allocation!.orderId, allocation!.storeId, allocation!.orderNumber]);
  }
  client.close();
  return given;
}

/** Runs a line as it stands, with this `order-numbers`, which needs no shell. */
async function run(line: string, cwd: string) {
  const [program, ...args] = wordsOf(line) ?? [];
  if (program === 'order-numbers') return localOrderNumbers(args, { cwd });
  const child = spawn('sh', ['-c', line], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exitCode: child.exitCode, stdout, stderr };
}
