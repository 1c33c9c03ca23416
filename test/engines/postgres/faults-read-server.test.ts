import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { proxiedDatabase } from './opened-ledger.ts';

it('a server reads and stops while the standby of --ledger-read does not answer', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const server = new LocalServer(url, { args: ['--ledger-read', proxiedUrl] });
  const client = createClient({ address: await server.serving() });
  onTestFinished(() => client.close());
  await client.allocate({ storeId: 1 });
  expect(await client.getAllocation({ orderId: 1 })).toMatchObject({ orderId: 1n });
  proxy.stall();
  expect(await client.getAllocation({ orderId: 1 }, { timeoutMs: 5000 })).toMatchObject({ orderId: 1n });
  client.close();
  expect(await server.stop()).toBe(0);
});
