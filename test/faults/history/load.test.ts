import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assertDense } from '../../support/ledgers/density.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

import { assertHistory } from './check-history.ts';
import { History } from './history.ts';
import { Load } from './load.ts';

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
