import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import type { Allocator } from '../allocator.ts';
import type { Address } from '../config.ts';
import type { Logger } from '../log.ts';
import type { CallObserver } from '../observers.ts';

/** What the HTTP endpoint needs. */
export interface HttpServerOptions {
  readonly address: Address;
  readonly allocator: Allocator;
  readonly logger: Logger;
  readonly observer: CallObserver;
  /** Whether the ledger is open and the server is not draining: what /readyz says. */
  isServing(): boolean;
}

/** An HTTP server that listens. */
export interface HttpServer {
  readonly address: Address;
  /** Takes no new connection. Calls on those that are open go on. */
  stopAccepting(): void;
  /** Ends every connection: gently, and by force those that are left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Serves the original sample's endpoint. Rejects where the address cannot be had. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = fastify({ logger: false });
  await app.listen({ host: options.address.host, port: options.address.port });
  const bound = app.server.address() as AddressInfo;
  return {
    address: { host: options.address.host, port: bound.port },
    stopAccepting: () => void app.server.close(),
    close: () => app.close(),
  };
}
