import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

import { assertHistory } from './check-history.ts';
import { History } from './history.ts';
import { Load } from './load.ts';

it('P1 P2: without request_ids the calls that were not answered bound the rows that nobody can name', async () => {
  const ledger = join(testFolder(), 'orders.db');
  const address = await freeAddress();
  const args = ['--grpc-listen', address, '--http-listen', 'off', '--metrics-listen', 'off'];
  const server = new ServerProcess(ledger, { args });
  await server.serving();
  const history = new History();
  const load = new Load({ history, addresses: [address], isKeyless: true });
  await load.answers(200);
  await server.kill();
  await new LocalServer(ledger, { args }).serving();
  await load.answers(200);
  await load.stop();
  const verdict = assertHistory(history, assertDense(ledger));
  expect(verdict).toMatchObject({ lost: 0, twice: 0, holes: 0 });
  expect(verdict.asked).toBeGreaterThan(verdict.acknowledged);
});
