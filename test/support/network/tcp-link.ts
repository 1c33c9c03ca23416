import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';

/** Sees bytes before they pass; false keeps them from passing. */
type Gate = (bytes: Buffer) => boolean;

/** A connection through a proxy: what comes from one side goes to the other, its end included. */
export class TcpLink {
  readonly #client: Socket;
  #server: Socket | undefined;
  #isStalled = false;
  fromClient: Gate = () => true;
  fromServer: Gate = () => true;
  /** Resolves when the client's side is closed. */
  readonly closed: Promise<void>;

  /** The client has to be paused: it is read only once there is a server for it. */
  constructor(client: Socket) {
    this.#client = client;
    // Being cut off is what it is here for.
    client.on('error', () => {});
    this.closed = new Promise((resolve) => void client.once('close', () => resolve()));
  }

  /** Connects to the first of these addresses that accepts; if none does, the client is cut off. */
  async open(targets: readonly string[]): Promise<void> {
    const server = await reach(targets);
    if (!server || this.#client.destroyed) {
      server?.destroy();
      this.#client.destroy();
      return;
    }
    this.#server = server;
    this.#pass(this.#client, server, (bytes) => this.fromClient(bytes));
    this.#pass(server, this.#client, (bytes) => this.fromServer(bytes));
    if (!this.#isStalled) this.flow();
  }

  /** Reads nothing more, from either side. */
  stall(): void {
    this.#isStalled = true;
    this.#client.pause();
    this.#server?.pause();
  }

  /** Reads on. */
  flow(): void {
    this.#isStalled = false;
    if (!this.#server) return;
    this.#client.resume();
    this.#server.resume();
  }

  /** Ends it, both sides. */
  cut(): void {
    this.#client.destroy();
    this.#server?.destroy();
  }

  #pass(from: Socket, to: Socket, gate: Gate): void {
    from.pause();
    from.on('data', (bytes: Buffer) => {
      if (!gate(bytes) || to.destroyed || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => {
        if (!this.#isStalled) from.resume();
      });
    });
    // Only this direction ends: a client may say that it is done and wait for its answer.
    from.on('end', () => to.end());
    from.on('close', (hadError) => {
      if (hadError) to.destroy();
    });
  }
}

async function reach(targets: readonly string[]): Promise<Socket | undefined> {
  for (const target of targets) {
    const { hostname, port } = new URL(`tcp://${target}`);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
    try {
      await once(socket, 'connect');
      socket.on('error', () => {});
      return socket;
    } catch {
      // It refuses, so the next one is tried.
    }
  }
  return undefined;
}
