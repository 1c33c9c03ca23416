import { createServer } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Health } from '../../../src/server/grpc/standard/health.ts';
import { AUTHORITY, CLIENT_CERTIFICATE, SIGNED } from '../../support/network/certificates.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';

const SERVICE = 'orders.v1.OrderNumberService';

it('says whether the server and its service are serving, and exits with 0', async () => {
  const address = await new LocalServer(join(testFolder(), 'orders.db')).serving();
  const asked = ['health', '--server', address];
  expect(await orderNumbers(asked)).toEqual({ exitCode: 0, stdout: 'serving\n', stderr: '' });
  expect(await localOrderNumbers([...asked, '--service', SERVICE, '--json'])).toEqual({
    exitCode: 0,
    stdout: '{"status":"SERVING"}\n',
    stderr: '',
  });
  expect(await localOrderNumbers([...asked, '--service', 'orders.v1.Other'])).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'error: the server has no service orders.v1.Other: omit --service to ask about the server as a whole\n',
  });
});

it('asks a server with TLS, client certificates and tokens without a token', async () => {
  const folder = testFolder();
  const tokens = join(folder, 'tokens.json');
  writeTokens(tokens, entryOf(tokenOf('1')));
  const tls = ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile];
  const args = [...tls, '--tls-client-ca', CLIENT_CERTIFICATE.certFile, '--tokens', tokens];
  const address = await new LocalServer(join(folder, 'orders.db'), { args }).serving();
  const own = ['--tls-cert', CLIENT_CERTIFICATE.certFile, '--tls-key', CLIENT_CERTIFICATE.keyFile];
  const asked = await localOrderNumbers(['health', '--server', address, '--tls-ca', AUTHORITY.certFile, ...own]);
  expect(asked).toEqual({ exitCode: 0, stdout: 'serving\n', stderr: '' });
  const { exitCode, stderr } = await localOrderNumbers(['health', '--server', address]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`error: ${address} uses TLS, but this client does not: turn TLS on (--tls or --tls-ca)\n`);
});

describe('a server that is not serving', () => {
  it('is reported with its reason, on standard output, and exits with 1', async () => {
    const health = new Health();
    const address = await listening(health);
    health.setServing(false, 'disk full');
    expect(await localOrderNumbers(['health', '--server', address])).toEqual({
      exitCode: 1,
      stdout: 'not serving: disk full\n',
      stderr: '',
    });
    const inJson = await localOrderNumbers(['health', '--server', address, '--json']);
    expect(inJson).toMatchObject({ exitCode: 1, stdout: '{"status":"NOT_SERVING","reason":"disk full"}\n' });
    health.setServing(false);
    expect(await localOrderNumbers(['health', '--server', address])).toMatchObject({
      exitCode: 1,
      stdout: 'not serving\n',
    });
  });

  it('is missing: one attempt, and the address', async () => {
    const address = await freeAddress();
    const { exitCode, stderr } = await localOrderNumbers(['health', '--server', address]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `error: no server answers at ${address}; start one, or check --server\n`,
    });
  });

  it('hangs: it is given up when its time is up', async () => {
    const address = await silent();
    const asked = ['health', '--server', address, '--timeout-ms', '300'];
    const { exitCode, stdout, stderr } = await localOrderNumbers(asked);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
  });
});

async function listening(health: Health): Promise<string> {
  const server = new Server();
  health.addTo(server);
  onTestFinished(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(`127.0.0.1:${port}`),
    );
  });
}

/** Accepts connections, and says nothing on them. */
async function silent(): Promise<string> {
  const address = await freeAddress();
  const server = createServer((socket) => void socket.on('error', () => {}));
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(Number(address.split(':')[1]), '127.0.0.1', resolve));
  return address;
}
