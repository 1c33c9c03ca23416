import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { shareConnections } from '../../../src/server/security/connection-shares.ts';

const MAX = 20;

async function sharing(): Promise<{ server: Server; accepted: Set<Socket> }> {
  const accepted = new Set<Socket>();
  const server = createServer((socket) => {
    accepted.add(socket);
    socket.resume().on('close', () => accepted.delete(socket));
  });
  shareConnections(server, MAX);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return { server, accepted };
}

/** Connects one after the other; resolves when each has ended or is accepted. */
async function open(server: Server, count: number, localAddress: string): Promise<Socket[]> {
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {}).resume();
    const accepted = once(server, 'connection');
    await once(socket, 'connect');
    await accepted;
    sockets.push(socket);
  }
  return sockets;
}

it('one network may have nine tenths of the connections, and others have the rest', async () => {
  const { server, accepted } = await sharing();
  const flood = await open(server, 25, '127.0.0.2');
  await vi.waitUntil(() => flood.filter(({ destroyed }) => destroyed).length === 7);
  expect(accepted.size).toBe(18);
  await open(server, 2, '127.0.0.1');
  expect(accepted.size).toBe(MAX);
});

it('a network with less than half of them gets the last ones, and those that end are free again', async () => {
  const { server, accepted } = await sharing();
  const some = await open(server, 10, '127.0.0.2');
  await open(server, 9, '127.0.0.3');
  expect(accepted.size).toBe(19);
  const [refused] = await open(server, 1, '127.0.0.2');
  await vi.waitUntil(() => refused!.destroyed);
  some.slice(0, 5).forEach((socket) => void socket.destroy());
  await vi.waitUntil(() => accepted.size === 14);
  await open(server, 5, '127.0.0.2');
  expect(accepted.size).toBe(19);
});
