import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newDatabase, query } from '../postgres/database.ts';
import { Balancer, TcpProxy } from './tcp-proxy.ts';
import type { TcpRelay } from './tcp-relay.ts';

describe('the proxy', () => {
  it('passes bytes both ways, and the end of one direction alone', async () => {
    const { address } = await startProxy(await startEcho('a'));
    const client = open(address);
    client.end('x'.repeat(1_000_000));
    expect(await everything(client)).toBe(`a:${'x'.repeat(1_000_000)}`);
  });

  it('sends new connections to a new target', async () => {
    const proxy = await startProxy(await startEcho('a'));
    proxy.target = await startEcho('b');
    expect(await ask(proxy, 'x')).toBe('b:x');
  });

  it('stalls connections old and new, and lets them flow on', async () => {
    const { proxy, client: old } = await startInUse();
    proxy.stall();
    const young = open(proxy.address);
    await once(young, 'connect');
    const heard: string[] = [];
    for (const [name, client] of Object.entries({ old, young })) {
      client.on('data', () => heard.push(name));
      client.write('x');
    }
    // What is not stalled has answered by then.
    expect(await ask(await startProxy(await startEcho('b')), 'x')).toBe('b:x');
    expect(heard).toEqual([]);
    const answers = Promise.all([once(old, 'data'), once(young, 'data')]);
    await proxy.flow();
    await answers;
  });

  it('cuts connections and accepts new ones', async () => {
    const { proxy, client } = await startInUse();
    proxy.cut();
    await once(client, 'close');
    expect(await ask(proxy, 'x')).toBe('a:x');
  });

  it('refuses until it flows again, on the same port', async () => {
    const { proxy, client } = await startInUse();
    proxy.refuse();
    await once(client, 'close');
    await expect(ask(proxy, 'x')).rejects.toThrow('ECONNREFUSED');
    await proxy.flow();
    expect(await ask(proxy, 'x')).toBe('a:x');
  });

  it('cuts off clients if it has no server for them', async () => {
    const { address } = await startProxy(await refusing());
    expect(await everything(open(address))).toBe('');
  });
});

describe('the proxy before PostgreSQL', () => {
  it('loses the answer to a completed commit', async () => {
    const url = await newDatabase();
    await query(url, 'create table sale (id bigint)');
    const { proxy, client } = await connectThroughProxy(url);
    const lost = proxy.cutAnswerOfNext((sent) => sent.includes('insert into sale'));
    await client.query('select 1');
    // Long enough to come in several pieces, and its answer, too.
    const ids = Array.from({ length: 100_000 }, (_, index) => index);
    const insert = client.query('insert into sale select unnest($1::bigint[]) returning id', [ids]);
    await expect(insert).rejects.toThrow('Connection terminated unexpectedly');
    await lost;
    expect(await query(url, 'select count(*) from sale')).toEqual([{ count: 100_000n }]);
  });

  it('rejects when the connection ends before there is an answer', async () => {
    const { proxy, client } = await connectThroughProxy(await newDatabase());
    const lost = proxy.cutAnswerOfNext((sent) => {
      // The question is asked, and never answered.
      if (sent.includes('pg_sleep')) setImmediate(() => proxy.cut());
      return sent.includes('pg_sleep');
    });
    await Promise.all([
      expect(client.query('select pg_sleep($1)', [600])).rejects.toThrow('Connection terminated unexpectedly'),
      expect(lost).rejects.toThrow('before the server had answered'),
    ]);
  });
});

describe('the balancer', () => {
  it('uses its targets in turn, and skips those that refuse', async () => {
    const balancer = await startBalancer([await startEcho('a'), await refusing(), await startEcho('b')]);
    const answers = [];
    for (let count = 0; count < 3; count++) answers.push(await ask(balancer, 'x'));
    expect(answers).toEqual(['a:x', 'b:x', 'b:x']);
  });

  it('sends new connections to new targets', async () => {
    const balancer = await startBalancer([await startEcho('a')]);
    const old = open(balancer.address);
    await once(old, 'data');
    balancer.targets = [await startEcho('b')];
    expect(await ask(balancer, 'x')).toBe('b:x');
    old.end('x');
    expect(await everything(old)).toBe('x');
  });
});

/** A server that answers with its name, a colon, and what it received. */
async function startEcho(name: string): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.write(`${name}:`);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address without a listener. */
async function refusing(): Promise<string> {
  const proxy = await TcpProxy.start('127.0.0.1:1');
  await proxy.close();
  return proxy.address;
}

async function startProxy(target: string): Promise<TcpProxy> {
  return closedAtTheEnd(await TcpProxy.start(target));
}

/** A proxy before the server `a`, and a client that is connected through it. */
async function startInUse(): Promise<{ readonly proxy: TcpProxy; readonly client: Socket }> {
  const proxy = await startProxy(await startEcho('a'));
  const client = open(proxy.address);
  await once(client, 'data');
  return { proxy, client };
}

async function startBalancer(targets: readonly string[]): Promise<Balancer> {
  return closedAtTheEnd(await Balancer.start(targets));
}

function closedAtTheEnd<T extends TcpRelay>(relay: T): T {
  onTestFinished(() => relay.close());
  return relay;
}

async function connectThroughProxy(url: string): Promise<{ readonly proxy: TcpProxy; readonly client: Client }> {
  const { host, pathname } = new URL(url);
  const proxy = await startProxy(host);
  const client = new Client({ connectionString: `postgres://postgres@${proxy.address}${pathname}` });
  client.on('error', () => {});
  await client.connect();
  return { proxy, client };
}

function open(address: string): Socket {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname, port: Number(port) });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Sends something and reads the whole answer. */
async function ask(relay: TcpRelay, what: string): Promise<string> {
  const client = open(relay.address);
  client.end(what);
  return everything(client);
}

async function everything(socket: Socket): Promise<string> {
  let heard = '';
  socket.on('data', (bytes) => (heard += String(bytes)));
  await once(socket, 'close');
  return heard;
}
