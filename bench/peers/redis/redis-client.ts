import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Order, OrderClient, Pair } from '../order-client.ts';

/** A modulus above all store_ids, so that the script leaves them as they are. */
const BEYOND_STORES = 1_000_000;

/**
 * Asks for single orders over one connection, as inline commands, which Redis answers in their order
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 */
export class RedisClient implements OrderClient {
  readonly #socket: Socket;
  readonly #script: string;
  readonly #waiting: PromiseWithResolvers<Pair>[] = [];

  private constructor(socket: Socket, script: string) {
    this.#socket = socket;
    this.#script = script;
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#answer(line));
    // An 'error' is followed by 'close', which rejects what waits.
    for (const source of [socket, lines]) source.on('error', () => {});
    socket.once('close', () =>
      this.#waiting.splice(0).forEach(({ reject }) => reject(new Error('the connection to Redis is closed'))),
    );
  }

  /** @param script the SHA-1 of the loaded script */
  static async connect(port: number, script: string): Promise<RedisClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RedisClient(socket, script);
  }

  number({ storeId, requestId }: Order): Promise<Pair> {
    const answer = Promise.withResolvers<Pair>();
    if (this.#socket.destroyed) answer.reject(new Error('the connection to Redis is closed'));
    else {
      this.#waiting.push(answer);
      this.#socket.write(`EVALSHA ${this.#script} 1 request:${requestId} ${storeId} ${BEYOND_STORES}\r\n`);
    }
    return answer.promise;
  }

  async close(): Promise<void> {
    this.#socket.destroy();
  }

  /** An answer is its length and its text, each on a line, or an error on one line. */
  #answer(line: string): void {
    if (line.startsWith('$')) return;
    const waiting = this.#waiting.shift();
    const [orderId, , orderNumber] = line.split(' ').map(Number);
    if (line.startsWith('-')) waiting?.reject(new Error(`Redis: ${line.slice(1)}`));
    else waiting?.resolve({ orderId: orderId!, orderNumber: orderNumber! });
  }
}
