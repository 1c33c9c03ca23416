import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { ROOT } from '../project/documents.ts';
import { AUTHORITY, SIGNED } from '../support/network/certificates.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { assertDense } from '../support/postgres/density.ts';
import { newDatabase } from '../support/postgres/database.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';
import { until } from '../support/until.ts';

/** Each answered call is a line of the log there. */
const LOG_CALLS = ['--log-level', 'debug'];
const TLS = ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile];

it('P1 P5: dns:/// with round robin sends calls to all servers of a name, and goes on without one', async (test) => {
  requireTools(test, 'root', 'linux');
  const url = await newDatabase();
  const port = await freePort();
  const servers = ['127.0.0.1', '127.0.0.2'].map(
    (host) => new LocalServer(url, { args: [...LOG_CALLS, '--grpc-listen', `${host}:${port}`] }),
  );
  await Promise.all(servers.map((server) => server.serving()));
  const answers = startRoundRobin('orders.test', port);
  await until('both servers are called', () => servers.every((server) => callsOf(server) > 0));
  await servers[0]!.stop();
  const before = answers.length;
  await until('the other one is called', () => answers.length > before + 20);
  expect(answers.filter((answer) => !/^\d+$/.test(answer))).toEqual([]);
  const orderIds = answers.map(BigInt);
  expect(orderIds).toEqual(orderIds.map((_, i) => BigInt(i + 1)));
  await assertDense(url);
});

it.for([
  // A connection stays with its server.
  { file: 'l4.cfg', clients: 4 },
  { file: 'l7.cfg', clients: 1 },
])('P1 P5: behind HAProxy, $file, clients use all servers, and go on without one', async ({ file, clients }, test) => {
  requireTools(test, 'haproxy', 'linux');
  const url = await newDatabase();
  const [grpc, http] = [await freePort(), await freePort()];
  const servers = ['127.0.0.1', '127.0.0.2'].map((host) => {
    const listen = ['--grpc-listen', `${host}:${grpc}`, '--http-listen', `${host}:${http}`];
    return new LocalServer(url, { args: [...LOG_CALLS, ...TLS, ...listen] });
  });
  await Promise.all(servers.map((server) => server.serving()));
  const address = await startHaproxy(file, { grpc, http });
  const shops = Array.from({ length: clients }, () => createClient({ address, tls: { ca: AUTHORITY.cert } }));
  onTestFinished(() => shops.forEach((shop) => shop.close()));
  let orders = 0;
  const number = async () => {
    for (const shop of shops) await shop.allocate({ storeId: 7, requestId: `order-${++orders}` });
  };
  await until('both servers are called', async () => {
    await number();
    return servers.every((server) => callsOf(server) > 0);
  });
  await servers[0]!.stop();
  for (let i = 0; i < 20; i++) await number();
  expect(await assertDense(url)).toHaveLength(orders);
  let seen = 0n;
  for await (const { cursor } of shops[0]!.watchAllocations({ afterOrderId: 0 })) {
    seen = cursor;
    if (seen === BigInt(orders)) break;
  }
  expect(seen).toBe(BigInt(orders));
});

/** How many allocations a server has answered. */
function callsOf(server: LocalServer): number {
  return server.log.filter((line) => line['method'] === 'AllocateOrder').length;
}

/**
 * Starts round-robin-client.ts where this name has two addresses, in a mount namespace with an /etc/hosts of its own.
 * Returns what it prints, line by line.
 */
function startRoundRobin(name: string, port: string): readonly string[] {
  const hosts = join(testFolder(), 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost\n127.0.0.1 ${name}\n127.0.0.2 ${name}\n`);
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  const client = [process.execPath, join(ROOT, 'test/ops/round-robin-client.ts'), `dns:///${name}:${port}`];
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, hosts, ...client], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return lines;
}

/** Starts HAProxy with a configuration of ops/, before servers on these ports. Resolves to the address of its gRPC. */
async function startHaproxy(file: string, { grpc, http }: Readonly<Record<'grpc' | 'http', string>>): Promise<string> {
  const folder = testFolder();
  const address = await freeAddress();
  writeFileSync(join(folder, 'proxy.pem'), Buffer.concat([SIGNED.cert, SIGNED.key]));
  writeFileSync(join(folder, 'ca.crt'), AUTHORITY.cert);
  const text = readFileSync(join(ROOT, 'ops/haproxy', file), 'utf8')
    .replaceAll('/credentials', folder)
    .replaceAll('bind :50051', `bind ${address}`)
    .replaceAll('bind :3000', `bind ${await freeAddress()}`)
    .replaceAll('verifyhost server-', 'verifyhost localhost #')
    .replaceAll('server-1:', '127.0.0.1:')
    .replaceAll('server-2:', '127.0.0.2:')
    .replaceAll(':50051', `:${grpc}`)
    .replaceAll(/:3000|(?<= port )3000/g, (port) => port.replace('3000', http));
  writeFileSync(join(folder, file), text);
  const haproxy = spawn(toolPath('haproxy'), ['-db', '-f', join(folder, file)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  haproxy.stderr.on('data', (chunk: Buffer) => (said += chunk));
  onTestFinished(async () => {
    haproxy.kill('SIGKILL');
    if (haproxy.exitCode === null && haproxy.signalCode === null) await once(haproxy, 'exit');
    // HAProxy warns of what is doubtful in a configuration.
    expect(said.split('\n').filter((line) => /\[(WARNING|ALERT)\]/.test(line) && !line.includes('is DOWN'))).toEqual(
      [],
    );
  });
  return address;
}

async function freePort(): Promise<string> {
  return (await freeAddress()).split(':')[1]!;
}
