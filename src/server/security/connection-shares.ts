import type { Server, Socket } from 'node:net';
import { networkOf } from '../address.ts';

/** The part of the connections that is kept for networks with less than half of them. */
const RESERVE = 0.1;

/**
 * Bounds the connections of a server to `max`. When few are left, a network that holds half of them gets no more; until
 * then it may, because all clients may be behind one gateway. Call it when the server has its listeners and does not
 * listen yet.
 */
export function shareConnections(server: Server, max: number): void {
  const held = new Map<string, number>();
  let open = 0;
  const accept = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.maxConnections = max;
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? '');
    const before = held.get(network) ?? 0;
    if (open >= max * (1 - RESERVE) && before >= max / 2) {
      socket.destroy();
      return;
    }
    open++;
    held.set(network, before + 1);
    socket.once('close', () => {
      open--;
      const left = held.get(network)! - 1;
      if (left > 0) held.set(network, left);
      else held.delete(network);
    });
    for (const listener of accept) listener.call(server, socket);
  });
}
