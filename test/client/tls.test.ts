import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { requireTools } from '../support/required-tool.ts';
import { testFolder } from '../support/server-process.ts';
import { allocation, FakeServer } from './fake-server.ts';

const given = { response: { allocation: allocation(1n), replayed: false } };

it('speaks TLS with the roots and the certificate that it is given, and with nobody else', async (test) => {
  requireTools(test, 'openssl');
  const folder = testFolder();
  const server = certificate(folder, 'server');
  const own = certificate(folder, 'client');
  const pair = { private_key: server.key, cert_chain: server.cert };
  const credentials = ServerCredentials.createSsl(own.cert, [pair], true);
  const fake = await FakeServer.start({ allocateOrder: [given] }, {}, { credentials });

  const tls = { ca: server.cert, cert: own.cert.toString(), key: new Uint8Array(own.key) };
  expect(await fake.client({ tls, token: 'secret' }).allocate({ storeId: 1 })).toMatchObject({ orderId: 1n });
  expect(fake.seen[0]!.authorization).toBe('Bearer secret');

  const wrong = [undefined, true, { ca: server.cert }, { cert: own.cert, key: own.key }] as const;
  for (const options of wrong) {
    const call = fake.client({ tls: options, timeoutMs: 500 }).allocate({ storeId: 1 });
    await expect(call).rejects.toMatchObject({ reason: undefined, outcome: 'refused' });
  }
  expect(fake.seen).toHaveLength(1);
});

it('takes no certificate of another host', async (test) => {
  requireTools(test, 'openssl');
  const folder = testFolder();
  const { cert, key } = certificate(folder, 'server', 'IP:127.0.0.2,DNS:localhost');
  const credentials = ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]);
  const fake = await FakeServer.start({ allocateOrder: [given] }, {}, { credentials });
  const tls = { ca: cert };
  const byAddress = fake.client({ tls, timeoutMs: 500 }).allocate({ storeId: 1 });
  await expect(byAddress).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const byName = fake.client({ tls, address: fake.address.replace('127.0.0.1', 'localhost') });
  expect(await byName.allocate({ storeId: 1 })).toMatchObject({ orderId: 1n });
});

/** A certificate for 127.0.0.1, or for others, that is its own root. */
function certificate(
  folder: string,
  name: string,
  names = 'IP:127.0.0.1',
): { readonly cert: Buffer; readonly key: Buffer } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const request = ['req', '-x509', '-nodes', '-days', '2', '-subj', `/CN=${name}`];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', key];
  execFileSync('openssl', [...request, ...newKey, '-addext', `subjectAltName=${names}`, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
