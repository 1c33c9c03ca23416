import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MoveSource } from '../../../../src/engines/dynamodb/operator/move/move-source.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import { fatedTable } from '../../../support/dynamodb/fated-table.ts';
import { move, textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { localOrderNumbers as orderNumbers } from '../../../support/processes/local-command.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { until } from '../../../support/until.ts';

/** Callers at once, and how many numbers they have before the move begins. */
const CALLERS = 8;
const BEFORE = 40;
/** Calls of each, at most. */
const MOST = 150;

it('P1 P2 P5 P8: a table is moved under the load of a server, which loses nothing and numbers nothing after it', async () => {
  const from = await newTableUrl();
  const to = join(testFolder(), 'orders.db');
  const server = new LocalServer(from);
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  const numbered: { readonly requestId: string; readonly orderId: bigint }[] = [];
  const call = async (caller: number) => {
    for (let i = 0; i < MOST; i++) {
      const requestId = `call-${caller}-${i}`;
      const request = { storeId: BigInt(1 + (i % 3)), requestId };
      const { allocation } = await client.allocateOrder(request, { deadlineMs: 1500 });
      numbered.push({ requestId, orderId: allocation!.orderId });
    }
  };
  const calls = Promise.allSettled(Array.from({ length: CALLERS }, (_, caller) => call(caller)));
  await until('the server is at work', () => numbered.length >= BEFORE);
  expect(await move(from, to)).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^moved: serve it/) });
  await calls;
  // An idle server finds out when somebody asks.
  const late = client.allocateOrder({ storeId: 1n, requestId: 'late' }, { deadlineMs: 1500 });
  await expect(late).rejects.toThrow(/./);
  await server.line(/the ledger cannot be opened yet: the ledger of .* has moved to .*orders\.db; serve that one/);
  expect(await client.checkHealth()).not.toBe('SERVING');
  const { http } = await server.line('serving');
  expect(await (await fetch(`http://${String(http)}/readyz`)).text()).toContain('an operator has to act');

  const { allocations } = textOfFile(to);
  const orderIds = new Map(allocations.map((row) => [row.split(',')[4]!, BigInt(row.split(',')[0]!)]));
  expect(numbered.filter(({ requestId, orderId }) => orderIds.get(requestId) !== orderId)).toEqual([]);
  expect(allocations.map((row) => row.split(',')[0])).toEqual(allocations.map((_, i) => String(i + 1)));
  const { allocation } = await whileServed(to, (moved) => moved.allocate(1n, 1, 'next'));
  expect(allocation.orderId).toBe(BigInt(allocations.length + 1));
});

it('P8: a table that a killed command has left on its way is served again once that is given up', async () => {
  const from = await newTableUrl();
  await whileServed(from, (client) => client.allocate(7n, 1, 'one'));
  const killed = await MoveSource.open(fatedTable(from, {}), new AbortController().signal);
  await killed.hold({ name: '/data/orders.db', identity: 'file' });
  await killed.close();
  const remedy = 'finish that with order-numbers migrate, or give it up with --give-up instead of --to';
  expect(await refusedStart(from)).toContain(`is being moved to /data/orders.db; ${remedy}`);
  const given = await orderNumbers(['migrate', '--from', from, '--give-up']);
  expect(given).toEqual({ exitCode: 0, stdout: `from   ${from}\nstate  may be served\n`, stderr: '' });
  await whileServed(from, async (client) => {
    expect(await client.allocate(7n, 1, 'one')).toMatchObject({ replayed: true });
    expect((await client.allocate(7n, 1, 'two')).allocation.orderId).toBe(2n);
  });
  const to = join(testFolder(), 'orders.db');
  expect(await move(from, to)).toMatchObject({ exitCode: 0 });
  expect((await orderNumbers(['migrate', '--from', from, '--give-up'])).stderr).toMatch(
    /was moved, so there is nothing/,
  );
});
