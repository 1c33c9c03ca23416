import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freeAddress } from '../support/network/free-address.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';

const LISTENERS = ['--grpc-listen', '--http-listen', '--metrics-listen'];

it.each(LISTENERS)('a start whose port for %s is in use creates no ledger', async (flag) => {
  const folder = testFolder();
  const address = await takenAddress();
  const server = new LocalServer(join(folder, 'orders.db'), { args: [flag, address] });
  expect(await server.exit()).toBe(1);
  expect(server.log.map(({ msg }) => msg)).toEqual([
    `${address} is in use by another program; stop it, or choose another address with ${flag}`,
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

it('a start with one address for two listeners creates no ledger', async () => {
  const folder = testFolder();
  const address = await freeAddress();
  const args = ['--grpc-listen', address, '--http-listen', address];
  const server = new LocalServer(join(folder, 'orders.db'), { args });
  expect(await server.exit()).toBe(1);
  expect(server.log.map(({ msg }) => msg)).toEqual([
    `two listeners share ${address}; choose another address with --http-listen`,
  ]);
  expect(readdirSync(folder)).toEqual([]);
});

/** An address that another program listens on until the test ends. */
async function takenAddress(): Promise<string> {
  const holder = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void holder.close());
  await once(holder, 'listening');
  return `127.0.0.1:${(holder.address() as AddressInfo).port}`;
}
