import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { ClientHttp2Session, Http2Server } from 'node:http2';
import http2, { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { OrderNumbersError } from '../../../src/client/index.ts';
import { AUTHORITY, EXPIRED, FUTURE, SERVER_CERTIFICATE, STRANGER } from '../../support/network/certificates.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { allocation, clientOf, FakeServer } from '../fake-server.ts';

const { cert, key } = SERVER_CERTIFICATE;
const pair = { key, cert };
const given = { response: { allocation: allocation(1n), replayed: false } };
const TIMES = { timeoutMs: 1200, attemptTimeoutMs: 900 };

describe('C4: a slow server is not taken for a missing one', () => {
  it.each(['localhost', '127.0.0.1'])('P7: at %s, whose first call is not answered in time', async (host) => {
    const server = await FakeServer.start({ allocateOrder: ['silence'], getStore: ['silence'] });
    const address = server.address.replace('127.0.0.1', host);
    const error = await failureOf(clientOf(address, TIMES).allocate({ storeId: 1 }));
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', isUnreachable: false, outcome: 'unknown' });
    expect(error.message).toContain('no answer in time');
    const read = await failureOf(clientOf(address, TIMES).getStore(1));
    expect(read).toMatchObject({ isUnreachable: false, outcome: 'refused' });
  });
});

it('C4: neither is a server that there was no time to connect to', async () => {
  const server = await FakeServer.start({ allocateOrder: [given] });
  const error = await failureOf(server.client({ timeoutMs: 0.01 }).allocate({ storeId: 1 }));
  expect(error).toMatchObject({ connectionProblem: 'late', isUnreachable: false, outcome: 'refused' });
  expect(error.message).toContain(`a server listens at ${server.address}`);
});

it('C5: another HTTP/2 server is identified', async () => {
  const server = createHttp2Server((_, response) => response.writeHead(404).end());
  const error = await failureOf(clientOf(await listening(server)).getStore(1));
  expect(error.message).toMatch(/404.*: the peer is not an order-numbers server, or an older one: check its address/);
});

describe('C5: a call that was never sent was not done', () => {
  it('after a refused connection or an unknown host name', async () => {
    for (const [address, problem] of [
      [await freeAddress(), 'unreachable'],
      // Without a network it may take too long to learn that the name does not exist.
      ['no-such-host.invalid', expect.stringMatching(/^(unknown-host|unreachable)$/)],
    ] as const) {
      const error = await failureOf(clientOf(address, TIMES).allocate({ storeId: 1 }));
      expect(error).toMatchObject({ connectionProblem: problem, isUnreachable: true, outcome: 'refused' });
      expect(error.message).toMatch(
        /no server (answers: (connect ECONNREFUSED|cannot resolve its host)|answered: could not connect)/,
      );
      expect(error.message).not.toContain('It may have succeeded');
    }
  });

  it('P7: because a request leaves only after the first frame of the server', async () => {
    const heard: Buffer[] = [];
    const address = await listening(
      createServer((socket) => tolerant(socket).on('data', (chunk: Buffer) => heard.push(chunk))),
    );
    const error = await failureOf(clientOf(address, TIMES).allocate({ storeId: 1, requestId: 'find-me-not' }));
    expect(error).toMatchObject({ outcome: 'refused' });
    // The preface of HTTP/2 came, and no HEADERS frame with a method, nor any message.
    const said = Buffer.concat(heard).toString('latin1');
    expect(said).toContain('PRI * HTTP/2.0');
    expect(said).not.toMatch(/AllocateOrder|find-me-not/);
  });

  it('P7: but once an attempt was sent, no later failure makes it undone', async () => {
    const sent = Promise.withResolvers<void>();
    const server = createHttp2Server();
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      sent.resolve();
    });
    const sessions = new Set<Socket>();
    server.on('connection', (socket: Socket) => sessions.add(socket));
    const address = await listening(server);
    const error = failureOf(clientOf(address, { timeoutMs: 1_500, attemptTimeoutMs: 1_400 }).allocate({ storeId: 1 }));
    await sent.promise;
    server.close();
    for (const socket of sessions) socket.destroy();
    expect(await error).toMatchObject({ outcome: 'unknown' });
  });

  it('P7: but a call begun on a connection counts as sent, even if the connection no longer accepts it', async () => {
    const connect = vi.spyOn(http2, 'connect');
    onTestFinished(() => connect.mockRestore());
    const server = createHttp2Server((_, response) => response.writeHead(404).end());
    const client = clientOf(await listening(server), TIMES);
    await failureOf(client.getStore(1));
    server.close();
    // As Node.js 22 does once the server has asked the session to end.
    vi.spyOn(connect.mock.results[0]!.value as ClientHttp2Session, 'request').mockImplementation(() => {
      throw new Error('New streams cannot be created after receiving a GOAWAY');
    });
    expect(await failureOf(client.allocate({ storeId: 1 }))).toMatchObject({ outcome: 'unknown' });
  });

  it('if it is cancelled while there is no connection', async () => {
    const address = await listening(createServer(tolerant));
    const stop = new AbortController();
    const error = failureOf(clientOf(address).allocate({ storeId: 1 }, { signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    expect(await error).toMatchObject({ code: 'CANCELLED', outcome: 'refused' });
  });
});

describe('C5: a read gives up early if no server was ever reached', () => {
  it('and retries as long as any call if one was', async () => {
    const server = await FakeServer.start({ allocateOrder: [given], getAllocation: ['silence'] });
    const client = server.client({ unreachableTimeoutMs: 1, timeoutMs: 10_000, attemptTimeoutMs: 100 });
    await client.allocate({ storeId: 1 });
    const stop = new AbortController();
    const second = failureOf(client.getAllocation({ orderId: 1 }, { signal: stop.signal }));
    // Several attempts of the call: it did not end with the first.
    await server.call(4);
    stop.abort();
    expect(await second).toMatchObject({ code: 'CANCELLED' });

    const start = performance.now();
    const away = clientOf(await freeAddress(), { unreachableTimeoutMs: 200 });
    const calls = [away.getStore(1), away.listStores().next(), away.verifyLedger().next()];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect(error).toMatchObject({ isUnreachable: true, outcome: 'refused' });
    }
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('and so do a verification and a watch if packets are dropped', async () => {
    const address = await listening(createServer(tolerant));
    const client = clientOf(address, { unreachableTimeoutMs: 200 });
    expect(await failureOf(client.verifyLedger().next())).toMatchObject({ outcome: 'refused' });
    const told = Promise.withResolvers<OrderNumbersError>();
    const stop = new AbortController();
    const watch = client.watchAllocations({}, { signal: stop.signal, onInterrupted: told.resolve }).next();
    expect((await told.promise).message).toContain('sends nothing');
    stop.abort();
    await watch;
  });
});

describe('C5: the client reports after a second that a call keeps trying', () => {
  it('once, with the reason, and the call succeeds when a server starts', async () => {
    const address = await freeAddress();
    const told: OrderNumbersError[] = [];
    const allocated = clientOf(address, { onRetrying: (error) => told.push(error) }).allocate({ storeId: 1 });
    await vi.waitFor(() => expect(told).toHaveLength(1));
    expect(told[0]!.message).toMatch(/^no server answers: connect ECONNREFUSED /);
    await FakeServer.start({ allocateOrder: [given] }, {}, { address });
    expect(await allocated).toMatchObject({ orderId: 1n });
    expect(told).toHaveLength(1);
  });

  it('but not if the server is merely slow', async () => {
    const told: unknown[] = [];
    const server = await FakeServer.start({ getStore: ['silence'] });
    const client = server.client({
      timeoutMs: 1_500,
      attemptTimeoutMs: 1_500,
      onRetrying: (error) => told.push(error),
    });
    await failureOf(client.getStore(1));
    expect(told).toEqual([]);
  });
});

describe('C5: another program at the port is identified at once, with what to do', () => {
  it.each([
    ['an HTTP/1 server', () => createHttpServer(), /is not a gRPC server but an HTTP\/1 server .*: check the host/],
    ['Redis', () => saying("-ERR unknown command 'PRI'\r\n"), /is not a gRPC server but Redis .*: check the host/],
    ['an SSH server', () => greeting('SSH-2.0-OpenSSH_9.2\r\n'), /something else \(it sent "SSH-2.0-OpenSSH_9.2"\)/],
    ['TLS', () => createSecureServer(pair), /uses TLS, but this client does not: turn TLS on/],
    ['HTTPS', () => createHttpsServer(pair), /uses TLS, but this client does not: turn TLS on/],
  ])('%s', async (_, start, says) => {
    const address = await listening(start());
    const client = clientOf(address);
    const calls = [
      client.allocate({ storeId: 1 }),
      client.getStore(1),
      client.verifyLedger().next(),
      client.watchAllocations().next(),
    ];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect(error.message).toMatch(says);
      expect(error.message).toContain(address);
      expect(error).toMatchObject({ isUnreachable: false, outcome: 'refused' });
    }
  });

  it.each([
    ['no TLS', () => createHttp2Server(), true, /does not use TLS, but this client does: turn TLS off/],
    ['an unknown certificate', () => createSecureServer(pair), true, /is not trusted \(.*SELF_SIGNED.*--tls-ca/],
    [
      'HTTP/1 over TLS',
      () => createHttpsServer(pair),
      { ca: cert },
      /is not a gRPC server: it uses TLS, but not HTTP\/2 over it/,
    ],
    [
      'a certificate for another name',
      () => createSecureServer(pair),
      { ca: cert },
      /the certificate of 127.0.0.2:\d+ is for another name/,
    ],
    [
      'a server that asks for a certificate',
      () => createSecureServer({ ...pair, ca: cert, requestCert: true, rejectUnauthorized: true }),
      { ca: cert },
      /requires a client certificate: give one, and its key/,
    ],
    [
      'a server that does not accept its certificate',
      () => createSecureServer({ ...pair, ca: cert, requestCert: true, rejectUnauthorized: true }),
      { ca: cert, cert: STRANGER.cert, key: STRANGER.key },
      /closes the connection after receiving the client certificate: use one that has not expired and is from a CA that/,
    ],
    [
      'a certificate that has expired',
      () => createSecureServer({ cert: EXPIRED.cert, key: EXPIRED.key }),
      { ca: AUTHORITY.cert },
      /the certificate of \S+ has expired: replace it on the server/,
    ],
    [
      'a certificate that is not valid yet',
      () => createSecureServer({ cert: FUTURE.cert, key: FUTURE.key }),
      { ca: AUTHORITY.cert },
      /the certificate of \S+ is not valid yet: check the clocks of both machines/,
    ],
  ] as const)('by a client with TLS: %s', async (name, start, tls, says) => {
    const host = name.includes('another name') ? '127.0.0.2' : '127.0.0.1';
    const address = await listening(start(), host);
    const error = await failureOf(clientOf(address, { tls }).allocate({ storeId: 1 }));
    expect(error.message).toMatch(says);
    expect(error).toMatchObject({ isUnreachable: false, outcome: 'refused' });
  });

  it('a program that accepts and stays silent, or closes, is not a missing server', async () => {
    for (const [server, says] of [
      [createServer(tolerant), 'accepts connections but sends nothing'],
      [createServer((socket) => tolerant(socket).end()), 'accepts connections and closes them at once'],
    ] as const) {
      const error = await failureOf(clientOf(await listening(server), TIMES).getStore(1));
      expect(error).toMatchObject({ isUnreachable: false });
      expect(error.message).toContain(says);
    }
  });
});

describe('B14: a proxy in the environment', () => {
  it.each(['http_proxy', 'https_proxy', 'grpc_proxy'])('%s is not used for addresses of this machine', async (name) => {
    vi.stubEnv(name, `http://${await freeAddress()}`);
    vi.stubEnv('no_proxy', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const server = await FakeServer.start({ allocateOrder: [given] });
    const port = server.address.split(':')[1]!;
    for (const address of [server.address, `localhost:${port}`, `[::ffff:127.0.0.1]:${port}`, `dns:127.1:${port}`]) {
      expect(await clientOf(address, { timeoutMs: 5_000 }).allocate({ storeId: 1 })).toMatchObject({ orderId: 1n });
    }
  });

  it.each([
    ['cannot be reached', () => freeAddress(), /^the proxy \S+ cannot be reached \(connect ECONNREFUSED/],
    [
      'refuses',
      () => listening(createHttpServer().on('connect', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'))),
      /^the proxy \S+ does not connect to orders.example:50051: correct grpc_proxy, https_proxy or http_proxy/,
    ],
  ])('that %s is identified for any other host', async (_, start, says) => {
    vi.stubEnv('http_proxy', `http://user:secret@${await start()}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const error = await failureOf(clientOf('orders.example', TIMES).allocate({ storeId: 1 }));
    expect(error.message).toMatch(says);
    expect(error.message).not.toMatch(/undefined|secret/);
    expect(error).toMatchObject({ isUnreachable: false, outcome: 'refused' });
  });
});

/** Listens on a free port until the test ends. Resolves to its address. */
async function listening(server: Server | Http2Server, host = '127.0.0.1'): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('sessionError', () => {});
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `${host}:${(server.address() as AddressInfo).port}`;
}

function tolerant(socket: Socket): Socket {
  return socket.on('error', () => {});
}

/** Answers anything. */
function saying(text: string): Server {
  return createServer((socket) => tolerant(socket).on('data', () => socket.write(text)));
}

/** Speaks first. */
function greeting(text: string): Server {
  return createServer((socket) => tolerant(socket).write(text));
}

/** The error of a call that must fail. */
async function failureOf(call: Promise<unknown>): Promise<OrderNumbersError> {
  return call.then(
    () => expect.unreachable('the call was answered'),
    (error: OrderNumbersError) => error,
  );
}
