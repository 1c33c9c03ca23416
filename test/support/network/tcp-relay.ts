import { once } from 'node:events';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { reusablePort } from './reusable-port.ts';
import { TcpLink } from './tcp-link.ts';

const HOST = '127.0.0.1';

/** Listens on 127.0.0.1 and passes each connection on; what the proxies have in common. */
export abstract class TcpRelay {
  #server: Server | undefined;
  #port = 0;
  readonly #links = new Set<TcpLink>();

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `${HOST}:${this.#port}`;
  }

  /** Ends all connections, and accepts new ones. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Ends all connections and accepts no more. */
  async close(): Promise<void> {
    this.stopListening();
    const closed = [...this.#links].map((link) => link.closed);
    this.cut();
    await Promise.all(closed);
  }

  /** Is told of each connection as it comes. */
  protected abstract accept(link: TcpLink): void;

  protected get links(): Iterable<TcpLink> {
    return this.#links;
  }

  /** The first time on any port, later on the same one. */
  protected async listen(): Promise<void> {
    if (this.#server) return;
    // Paused, because a client is not read before there is a server for it.
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
      const link = new TcpLink(client);
      this.#links.add(link);
      void link.closed.then(() => this.#links.delete(link));
      this.accept(link);
    });
    this.#server = server;
    for (;;) {
      const port = this.#port || reusablePort();
      server.listen(port, HOST);
      try {
        await once(server, 'listening');
        this.#port = port;
        return;
      } catch (error) {
        if (this.#port || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
    }
  }

  /** Refuses connections from now on. */
  protected stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
  }
}
