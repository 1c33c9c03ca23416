import { describe, expect, it } from 'vitest';
import type { Authenticator } from '../../../src/server/security/principal.ts';
import { EVERY_VERB } from '../../../src/server/security/principal.ts';
import { SERVICE_PATH } from './connect/connect-client.ts';
import { HttpFixture, ORDER_PATH } from './http-fixture.ts';

const JSON_TYPE = 'Content-Type: application/json';
/** Good for either endpoint. */
const ORDER = '{"store_id":7}';
const CREDENTIALS: Authenticator = {
  authenticate: () => ({ name: 'shop', verbs: EVERY_VERB, stores: 'all' }),
};

describe('the Host of a request', () => {
  it.each([ORDER_PATH, `${SERVICE_PATH}/AllocateOrder`])(
    'P6: %s under a foreign name is refused on an open server, and burns nothing',
    async (path) => {
      const fixture = await HttpFixture.open({}, { hosts: ['orders.internal'] });
      expect(await post(fixture, path, 'evil.example')).toEqual([403, 'HOST_FORBIDDEN']);
      expect(fixture.disk.rows).toEqual([]);
      for (const host of ['localhost', '127.0.0.1:3000', 'orders.internal:80']) {
        expect(await post(fixture, path, host)).toEqual([200, undefined]);
      }
    },
  );

  it('may be any name if each call needs credentials', async () => {
    const fixture = await HttpFixture.open({}, { authenticator: CREDENTIALS });
    expect(await post(fixture, ORDER_PATH, 'shop.example')).toEqual([200, undefined]);
    expect(await post(fixture, `${SERVICE_PATH}/AllocateOrder`, 'no host, really')).toEqual([200, undefined]);
  });

  it('may be any name for a probe, and be absent in HTTP/1.0', async () => {
    const fixture = await HttpFixture.open();
    const connection = await fixture.connect();
    connection.send('GET /readyz HTTP/1.1\r\nHost: 10.1.2.3:3000\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ code: 200 });
    const old = await fixture.connect();
    for (const path of [ORDER_PATH, `${SERVICE_PATH}/AllocateOrder`]) {
      const head = `POST ${path} HTTP/1.0\r\n${JSON_TYPE}\r\nConnection: keep-alive`;
      old.send(`${head}\r\nContent-Length: ${ORDER.length}\r\n\r\n${ORDER}`);
    }
    expect((await old.answers(2)).map(({ code }) => code)).toEqual([200, 200]);
  });
});

describe('pages of another site', () => {
  const PAGE = 'https://admin.shop.example';
  const PREFLIGHT = {
    method: 'OPTIONS',
    headers: {
      origin: PAGE,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,connect-protocol-version,content-type',
    },
  };
  const CALL = {
    method: 'POST',
    headers: { origin: PAGE, 'content-type': 'application/json' },
    body: '{"storeId":7}',
  };

  it('may not call, unless the operator says so', async () => {
    const fixture = await HttpFixture.open();
    const preflight = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, PREFLIGHT);
    expect([preflight.code, corsOf(preflight.headers)]).toEqual([405, []]);
    const call = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, CALL);
    expect([call.code, corsOf(call.headers)]).toEqual([200, []]);
  });

  it('may call from the origins of the setting, and read what the protocols need', async () => {
    const fixture = await HttpFixture.open({}, { origins: [PAGE] });
    for (const path of [`${SERVICE_PATH}/AllocateOrder`, ORDER_PATH]) {
      const { code, headers } = await fixture.ask(path, PREFLIGHT);
      expect(code).toBe(204);
      expect(headers['access-control-allow-origin']).toBe(PAGE);
      const allowed = headers['access-control-allow-headers']!.toLowerCase().split(', ');
      expect(allowed).toEqual(
        expect.arrayContaining([
          'authorization',
          'connect-protocol-version',
          'content-type',
          'idempotency-key',
          'x-grpc-web',
        ]),
      );
    }
    const { code, headers } = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, CALL);
    expect([code, headers['access-control-allow-origin']]).toEqual([200, PAGE]);
    const exposed = headers['access-control-expose-headers']!.toLowerCase().split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['grpc-status', 'grpc-message', 'grpc-status-details-bin', 'trailer-request-id']),
    );
  });

  it('may not call from any other origin', async () => {
    const fixture = await HttpFixture.open({}, { origins: [PAGE] });
    const foreign = { ...CALL, headers: { ...CALL.headers, origin: 'https://evil.example' } };
    const { headers } = await fixture.ask(`${SERVICE_PATH}/AllocateOrder`, foreign);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

function corsOf(headers: Readonly<Record<string, string>>): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'));
}

/** The status and the reason of an order under a Host, which fetch would not let us choose. */
async function post(fixture: HttpFixture, path: string, host: string) {
  const connection = await fixture.connect();
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${JSON_TYPE}\r\nContent-Length: ${ORDER.length}`;
  connection.send(`${head}\r\n\r\n${ORDER}`);
  const answer = await connection.answer();
  return [answer.code, (JSON.parse(answer.body) as { reason?: string }).reason];
}
