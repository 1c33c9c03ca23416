import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { newToken } from '../../../src/server/security/token-text.ts';
import { encode, framed } from '../../support/network/hostile-client.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';

const ORDER_PATH = '/orders.v1.OrderNumberService/AllocateOrder';
const HEALTH_PATH = '/grpc.health.v1.Health/Check';
const ORDER = framed(encode({ storeId: 7n, requestId: '' }));

it.each(['trace', 'info'])('no line of the log has a token, wherever it was sent: level %s', async (level) => {
  const { token, unknown, grpc, http, server } = await serve(level);
  for (const secret of [token, unknown]) {
    const bearer = `Bearer ${secret}`;
    const headers: Record<string, string>[] = [
      { authorization: bearer },
      // The gRPC library logs what it cannot read in a header.
      { authorization: `${bearer}\u00e9` },
      { authorization: `\u00e9${secret}` },
      { 'x-token': `${secret}\u00e9` },
      { cookie: `token=${secret}\u00e9` },
      { 'x-bin': secret, 'proxy-authorization': `${bearer}\u00e9` },
    ];
    for (const each of headers)
      for (const path of [ORDER_PATH, HEALTH_PATH, `/${secret}`]) await call(grpc, path, each);
    const inTheMessage = framed(encode({ storeId: 7n, requestId: secret }));
    await call(grpc, ORDER_PATH, { authorization: `Bearer ${token}` }, inTheMessage);
    await call(
      grpc,
      ORDER_PATH,
      { authorization: `Bearer ${token}` },
      framed(encode({ storeId: -1n, requestId: secret })),
    );
    for (const request of httpRequests(secret, token)) expect(await send(http, request)).toMatch(/^HTTP\/1\.1 \d/);
  }
  expect(await server.stop()).toBe(0);
  const secrets = [token, unknown].flatMap((secret) => [secret.slice(5, 25), secret.slice(-25)]);
  expect(server.said()).toContain('AllocateOrder');
  expect(secrets.filter((secret) => server.said().includes(secret))).toEqual([]);
});

it('no line of the log has the value of a header', async () => {
  const { token, grpc, server } = await serve('trace');
  const value = 'the-value-of-a-header';
  const headers = {
    'x-one': `${value}\u00e9`,
    cookie: `${value}\u00e9`,
    'x-two': value,
    authorization: `Bearer ${token}`,
  };
  for (const path of [ORDER_PATH, HEALTH_PATH]) await call(grpc, path, headers);
  // At info: it is the mistake of a caller, and nothing for an operator.
  expect((await server.line(/^the gRPC library: Failed to add metadata entry x-one/)).level).toBe(30);
  expect(server.said()).not.toContain(value);
});

function httpRequests(secret: string, token: string): string[] {
  const body = '{"store_id": 7}';
  const post = (path: string, headers: readonly string[], sent = body) =>
    [
      `POST ${path} HTTP/1.1`,
      'Host: localhost',
      `Content-Length: ${sent.length}`,
      'Connection: close',
      ...headers,
      '',
      sent,
    ].join('\r\n');
  const json = 'Content-Type: application/json';
  const path = '/api/generateOrderNumber';
  const bearer = `Authorization: Bearer ${token}`;
  return [
    post(path, [json, `Authorization: Bearer ${secret}`]),
    post(path, [json, `Authorization: Bearer ${secret}\u00e9`]),
    post(path, [json, `Authorization: ${secret}`, `Cookie: ${secret}`]),
    post(`${path}?access_token=${secret}`, ['Content-Type: text/plain', bearer]),
    post(`${path}?access_token=${secret}`, [json, bearer], 'x'.repeat(70_000)),
    post(`/${secret}`, [json]),
    post(path, [json, bearer, `Idempotency-Key: ${secret}`]),
    post(path, [json, bearer, `Idempotency-Key: ${secret} ${secret}`]),
    post(path, [json, bearer], `{"store_id": "${secret}"}`),
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${secret}\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${secret.repeat(400)}\r\n\r\n`,
  ];
}

async function serve(level: string) {
  const tokens = join(testFolder(), 'tokens.json');
  const [token, unknown] = [newToken(), newToken()];
  writeTokens(tokens, entryOf(token));
  const args = ['--tokens', tokens, '--log-level', level];
  const server = new LocalServer(await SQLITE.newLedger(), { args });
  const grpc = await server.serving();
  return { token, unknown, grpc, http: String((await server.line('serving'))['http']), server };
}

/** A call with these headers, which a client library would refuse to send; resolves when it has ended. */
async function call(
  address: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  message = ORDER,
): Promise<void> {
  const session = connectHttp2(`http://${address}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  const grpc = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...grpc, ...headers });
  stream.on('error', () => {});
  stream.resume().end(message);
  await once(stream, 'close');
  session.destroy();
}

async function send(address: string, request: string): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connectSocket(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(Buffer.from(request, 'latin1'));
  return text(socket);
}
