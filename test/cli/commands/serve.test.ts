import Database from 'better-sqlite3';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ENGINES } from '../../support/engines/engines.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { NOT_ROOT } from '../../support/processes/not-root.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { refusedProcess, refusedStart } from '../../support/processes/refused-start.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

it.each(ENGINES)('a second run on the same $name ledger continues the count', async (engine) => {
  const ledger = await engine.newLedger();
  // Once a process of its own, which has to end, whatever the engine.
  const runs = [() => new ServerProcess(ledger, { http: true }), () => new LocalServer(ledger)];
  for (const [i, start] of runs.entries()) {
    const server = start();
    const { grpc } = await server.line('serving');
    // Port 0 is any free one, and the log says which.
    expect(grpc).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    const client = connect(String(grpc));
    expect((await client.allocateOrder({ storeId: 7n, requestId: '' })).allocation).toMatchObject({
      orderId: BigInt(1 + i),
    });
    client.close();
    expect(await server.stop()).toBe(0);
  }
  expect(await engine.assertDense(ledger)).toHaveLength(2);
});

it('a port in use is named, with the flag to change it', async () => {
  const folder = testFolder();
  const address = await new LocalServer(join(folder, 'first.db')).serving();
  const said = await refusedProcess(join(folder, 'second.db'), { args: ['--grpc-listen', address] });
  expect(said).toMatch(new RegExp(`^${address} is in use by another program; .*--grpc-listen$`));
});

it('an address this machine does not have is named, with the flag to change it', async () => {
  // TEST-NET-1: no machine has it.
  const args = ['--grpc-listen', '192.0.2.1:0'];
  expect(await refusedStart(join(testFolder(), 'orders.db'), args)).toMatch(/192\.0\.2\.1:0.*--grpc-listen/);
});

it('a listener reachable from other machines starts with a warning', async () => {
  const server = new LocalServer(join(testFolder(), 'orders.db'), { args: ['--grpc-listen', '0.0.0.0:0'] });
  const { port } = new URL(`grpc://${await server.serving()}`);
  const client = connect(`127.0.0.1:${port}`);
  expect(await client.checkHealth()).toBe('SERVING');
  client.close();
  await server.stop();
  const warnings = server.log.filter(({ level }) => level === 40).map(({ msg }) => msg);
  expect(warnings).toEqual([
    expect.stringContaining('created a new ledger'),
    expect.stringMatching(/anyone who can reach 0\.0\.0\.0.*without TLS and without tokens/),
  ]);
});

it('a loopback listener starts without that warning', async () => {
  const server = new LocalServer(join(testFolder(), 'orders.db'), { args: ['--grpc-listen', '[::1]:0'] });
  expect(await server.serving()).toMatch(/^\[::1\]:[1-9]\d*$/);
  expect(server.log.filter(({ level, msg }) => level >= 40 && !msg.startsWith('created'))).toEqual([]);
});

it('a folder without write permission is refused and named', async () => {
  const folder = testFolder();
  chmodSync(folder, 0o555);
  expect(await refusedProcess(join(folder, 'orders.db'), { wrapper: NOT_ROOT })).toMatch(
    new RegExp(`^this process may not write ${folder} .*chown`),
  );
});

it('a folder that is a file, or inside one, is refused and named', async () => {
  const folder = testFolder();
  writeFileSync(join(folder, 'file'), '');
  expect(await refusedStart(join(folder, 'file', 'orders.db'))).toContain(join(folder, 'file'));
  expect(await refusedStart(join(folder, 'file', 'new', 'orders.db'))).toContain(join(folder, 'file'));
});

it('a ledger that is a folder, or a link to nothing, is refused and named', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'folder.db'));
  expect(await refusedStart(join(folder, 'folder.db'))).toContain(`${join(folder, 'folder.db')} is not a file`);
  symlinkSync(join(folder, 'gone.db'), join(folder, 'link.db'));
  expect(await refusedStart(join(folder, 'link.db'))).toMatch(
    /link\.db is a symbolic link to a file that does not exist/,
  );
  expect(existsSync(join(folder, 'gone.db'))).toBe(false);
});

it('a file that is not a database is refused, named and left as it is', async () => {
  const path = join(testFolder(), 'notes.txt');
  const notes = 'Not a database, and somebody needs it.\n'.repeat(100);
  writeFileSync(path, notes);
  expect(await refusedProcess(path)).toContain(path);
  expect(readFileSync(path, 'utf8')).toBe(notes);
});

it('a database of another program is refused, named and left as it is', async () => {
  const path = join(testFolder(), 'another.db');
  const another = new Database(path);
  another.exec('CREATE TABLE customers (name TEXT)');
  another.close();
  const before = readFileSync(path);
  expect(await refusedStart(path)).toMatch(/another\.db is a database of another program/);
  expect(readFileSync(path).equals(before)).toBe(true);
});
