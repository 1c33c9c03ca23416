import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { blockLines } from './documents.ts';
import { README, readmeCommandsSuite } from './readme-commands-suite.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';

readmeCommandsSuite('stand-ins', () => {});

it("the client's code does what the text says", async () => {
  const code = blockLines(README, 'ts').join('\n');
  const call = /client\.allocate\(\{ storeId: (\d+), requestId: '([^']+)' \}\)/.exec(code);
  expect(code).toContain("createClient({ address: 'localhost:50051' })");
  const server = new LocalServer(join(testFolder(), 'orders.db'));
  const client = createClient({ address: await server.serving() });
  onTestFinished(() => client.close());
  const request = { storeId: Number(call?.[1]), requestId: String(call?.[2]) };
  expect(await client.allocate(request)).toMatchObject({ orderId: 1n, orderNumber: 100n, replayed: false });
  expect(await client.allocate(request)).toMatchObject({ orderId: 1n, orderNumber: 100n, replayed: true });
});
