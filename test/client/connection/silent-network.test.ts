import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { allocation, clientOf, FakeServer } from '../fake-server.ts';

const given = { response: { allocation: allocation(1n), replayed: false } };

it('notices a peer that vanished silently, and reconnects', async () => {
  const server = await FakeServer.start({ allocateOrder: [given] });
  const network = await Network.to(server.address);
  const client = clientOf(network.address);
  await client.allocate({ storeId: 1 });
  network.silence();
  // Within the time of one call: attempts fail on the dead connection until a ping on it is not answered.
  await client.allocate({ storeId: 1 });
  expect(network.connections).toBe(2);
});

/** A path to a server whose connections can be cut without notice to either end, as by a dead machine. */
class Network {
  connections = 0;
  readonly #sockets: Socket[] = [];
  readonly #listener = createServer();

  static async to(address: string): Promise<Network> {
    const network = new Network();
    const [host, port] = address.split(':');
    network.#listener.on('connection', (near) => {
      network.connections++;
      const far = connect(Number(port), host);
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        network.#sockets.push(socket);
        socket.on('error', () => socket.destroy());
      }
    });
    network.#listener.listen(0, '127.0.0.1');
    await once(network.#listener, 'listening');
    onTestFinished(() => {
      network.#listener.close();
      for (const socket of network.#sockets) socket.destroy();
    });
    return network;
  }

  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** From now on nothing passes on existing connections; new ones work. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }
}
