import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { ServerProcess } from '../support/processes/server-process.ts';
import { requireTools } from '../support/required-tool.ts';
import type { Ran, Said } from './checkout.ts';
import { allSay, Checkout } from './checkout.ts';
import { blockLines, documentAt } from './documents.ts';

const LINES = blockLines(documentAt('docs/security.md'), 'sh');
const OPENSSL = blockLines(documentAt('docs/security.md'), 'sh', '## TLS with your own CA');
const SERVE = /^npx order-numbers serve (?!--check)/;

/** What the lines must print, in order; those that start a server are among them as what it logs. */
const SAYS: readonly Said[] = [
  ['umask', /^$/],
  ['set -C', /^$/],
  ['--name checkout-eu', /^checkout-eu may allocate, read in stores 7,8 until the end of 2027-06-30/],
  ['--name operator', /^operator may read, manage, verify in all stores/],
  ['token list', /^NAME.*\ncheckout-eu +active .*\noperator +active/],
  [
    'serve --check',
    /(?=[^]*--tls-cert: server\.crt is for DNS:localhost, IP Address:127\.0\.0\.1, signed by CN=orders authority)(?=[^]*2 active)[^]*would serve gRPC with TLS and tokens[^]*The server would start\.$/,
  ],
  ['serve', /serving/],
  ['allocate --store 7', /order id +1\n[^]*caller +checkout-eu\n/],
  ['grpcurl', /"caller": ?"checkout-eu"[^]*"replayed": ?true/],
  ['curl', /^\{"OrderID":2,"OrderNumber":100,"StoreID":8\}$/],
  ['token revoke', /^checkout-eu is revoked$/],
  ['--name checkout-us', /^checkout-us may allocate, read in store 9, /],
  ['serve', /serving/],
  ['allocate --store 9', /order id +\d+\n[^]*caller +checkout-us\n/],
  ['-out server.csr', /^/],
  ['-out new-server.crt', /subject=/],
  ['mv new-server.key', /^$/],
  ['mv new-server.crt', /^$/],
];

it('security.md: five lines of openssl make an authority and two certificates, with keys for their owner only', async (test) => {
  requireTools(test, 'openssl');
  const checkout = new Checkout('real');
  expect(OPENSSL).toHaveLength(5);
  const ran = await checkout.run(OPENSSL, []);
  expect(ran.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0, 0]);
  const [ca, server, client] = ['ca', 'server', 'client'].map(
    (name) => new X509Certificate(readFileSync(join(checkout.folder, `${name}.crt`))),
  ) as [X509Certificate, X509Certificate, X509Certificate];
  expect(ca.ca).toBe(true);
  for (const certificate of [server, client]) {
    expect(certificate.ca).toBe(false);
    expect(certificate.verify(ca.publicKey)).toBe(true);
  }
  expect(server.checkHost('localhost')).toBe('localhost');
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(client.subjectAltName).toBe('URI:spiffe://shop/checkout');
  // Each is only one of the two: serverAuth, clientAuth.
  expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  for (const name of ['ca.key', 'server.key', 'client.key']) {
    expect(statSync(join(checkout.folder, name)).mode & 0o777).toBe(0o600);
  }
});

it('security.md: with its lines an operator has TLS, tokens and client certificates, and a revoked token is refused', async (test) => {
  requireTools(test, 'openssl', 'grpcurl', 'curl');
  const checkout = new Checkout('real');
  const listeners = ['grpc', 'http', 'metrics'].map((name) => `--${name}-listen 127.0.0.1:0`).join(' ');
  checkout.replace('serve --check', `serve --check ${listeners}`);
  await checkout.run(OPENSSL, []);
  const said: Ran[] = [];
  let server: ServerProcess | undefined;
  let grpc = '';
  for (const line of LINES.filter((one) => !OPENSSL.includes(one))) {
    if (!SERVE.test(line)) {
      said.push(...(await checkout.run([line], [])));
      if (line.includes(' revoke ')) await expectRefusal(checkout);
      if (line === 'mv new-server.crt server.crt') await expectCertificate(grpc, join(checkout.folder, 'server.crt'));
      continue;
    }
    await server?.stop();
    const args = line.replace(SERVE, '').split(' ');
    server = new ServerProcess('data/orders.db', { args, http: true, cwd: checkout.folder });
    const serving = await server.line('serving');
    checkout.serves(serving);
    grpc = String(serving['grpc']);
    said.push({ line, exitCode: 0, said: serving.msg });
    if (line.includes('--tls-client-ca')) await expectNoClient(checkout, grpc);
  }
  expect(said).toEqual(allSay(SAYS));
  expect(await server?.stop()).toBe(0);
});

/** Within a second, and with a reason; until then the line succeeds. */
async function expectRefusal(checkout: Checkout): Promise<void> {
  const line = LINES.find((one) => one.startsWith('curl '))!;
  await expect
    .poll(async () => (await checkout.run([line], []))[0]?.said, { timeout: 30_000, interval: 100 })
    .toMatch(/the access of checkout-eu was revoked.*TOKEN_INVALID/);
}

/** The server's own certificate opens no connection as a client's. */
async function expectNoClient(checkout: Checkout, address: string): Promise<void> {
  const [ca, cert, key] = ['ca.crt', 'server.crt', 'server.key'].map((name) =>
    readFileSync(join(checkout.folder, name)),
  );
  const [host, port] = address.split(':');
  const options = { host: host!, port: Number(port), ca, cert, key, ALPNProtocols: ['h2'] };
  const socket = connect(options);
  socket.on('error', () => {}).resume();
  await once(socket, 'close');
}

/** New connections get the certificate of this file, within half a second. */
async function expectCertificate(address: string, path: string): Promise<void> {
  const { fingerprint256 } = new X509Certificate(readFileSync(path));
  const [host, port] = address.split(':');
  const served = async () => {
    const socket = connect({ host: host!, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const { fingerprint256: found } = socket.getPeerCertificate();
    socket.destroy();
    return found;
  };
  await expect.poll(served, { timeout: 30_000, interval: 100 }).toBe(fingerprint256);
}
