import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { assertDense } from '../../support/ledgers/density.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

import { assertHistory, checkHistory } from './check-history.ts';
import { History } from './history.ts';
import { Load } from './load.ts';
import { Reader, Watcher } from './observers.ts';
import { Operator } from './operators.ts';

it('P1 P2 P3 P4 P5 P7: clients, observers and an operator go on over a kill, and all they were told holds', async () => {
  const folder = testFolder();
  const { ledger, address, server } = await served(folder);
  const history = new History();
  const load = new Load({ history, addresses: [address] });
  const reader = new Reader(clientOf(address), history, 'a reader', 5);
  const watchers = [new Watcher(clientOf(address), history, 'w1'), new Watcher(clientOf(address), history, 'w2', 2n)];
  const operator = new Operator({ client: clientOf(address), history, backup: { ledger, folder } });
  await load.answers(400);
  await server.kill();
  const next = start(ledger, address);
  await next.serving();
  await load.answers(400);
  await Promise.all([load.stop(), reader.stop(), operator.stop()]);

  const rows = assertDense(ledger);
  const last = rows.at(-1)!;
  await Promise.all(watchers.map((watcher) => watcher.reaches(last.order_id + last.count - 1n)));
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  const verdict = assertHistory(history, rows);
  expect(verdict.acknowledged).toBeGreaterThanOrEqual(800);
  expect(verdict.found).toBe(verdict.acknowledged);
  expect(rows.some(({ count }) => count > 1n)).toBe(true);
  expect(history.calls.some(({ replayed }) => replayed)).toBe(true);
  expect(reader.answers).toBeGreaterThan(0);
  expect([...history.answers.keys()]).toEqual(expect.arrayContaining(['stores get', 'verify', 'backup']));

  // The same history against a ledger without its last row, and against one without a row in the middle.
  expect(checkHistory(history, rows.slice(0, -1))).toMatchObject({ holes: 0 });
  expect(checkHistory(history, rows.slice(0, -1)).violations.join('\n')).toMatch(/the ledger has no such row/);
  expect(checkHistory(history, rows.toSpliced(100, 1)).holes).toBeGreaterThan(1);
});

it('P1 P2: without request_ids the calls that were not answered bound the rows that nobody can name', async () => {
  const { ledger, address, server } = await served(testFolder());
  const history = new History();
  const load = new Load({ history, addresses: [address], isKeyless: true });
  await load.answers(200);
  await server.kill();
  await start(ledger, address).serving();
  await load.answers(200);
  await load.stop();
  const verdict = assertHistory(history, assertDense(ledger));
  expect(verdict).toMatchObject({ lost: 0, twice: 0, holes: 0 });
  expect(verdict.asked).toBeGreaterThan(verdict.acknowledged);
});

async function served(folder: string) {
  const ledger = join(folder, 'orders.db');
  const address = await freeAddress();
  const server = start(ledger, address);
  await server.serving();
  return { ledger, address, server };
}

function start(ledger: string, address: string): ServerProcess {
  const args = ['--grpc-listen', address, '--http-listen', 'off', '--metrics-listen', 'off'];
  return new ServerProcess(ledger, { args });
}

function clientOf(address: string): OrderNumbersClient {
  const client = createClient({ address });
  onTestFinished(() => client.close());
  return client;
}
