import { ServerCredentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { CLIENT_CERTIFICATE, ELSEWHERE_CERTIFICATE, SERVER_CERTIFICATE } from '../../support/network/certificates.ts';
import { allocation, FakeServer } from '../fake-server.ts';

const given = { response: { allocation: allocation(1n), replayed: false } };

it('uses TLS with the given roots and certificate, and trusts no other server', async () => {
  const [server, own] = [SERVER_CERTIFICATE, CLIENT_CERTIFICATE];
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

it('refuses the certificate of another host', async () => {
  const { cert, key } = ELSEWHERE_CERTIFICATE;
  const credentials = ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]);
  const fake = await FakeServer.start({ allocateOrder: [given] }, {}, { credentials });
  const tls = { ca: cert };
  const byAddress = fake.client({ tls, timeoutMs: 500 }).allocate({ storeId: 1 });
  await expect(byAddress).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const byName = fake.client({ tls, address: fake.address.replace('127.0.0.1', 'localhost') });
  expect(await byName.allocate({ storeId: 1 })).toMatchObject({ orderId: 1n });
});
