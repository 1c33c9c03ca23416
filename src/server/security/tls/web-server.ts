import type { Server, ServerOptions } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { ListenerTls } from './listener-tls.ts';

/** An HTTP server, in plaintext or with TLS. */
export interface WebServer {
  readonly server: Server;
  /** Drops the handshakes in progress, for which a closing server would wait. */
  dropHandshakes(): void;
}

/** Creates a server that does not listen yet. */
export function createWebServer(options: ServerOptions, tls: ListenerTls | undefined): WebServer {
  if (!tls) return { server: createServer(options), dropHandshakes: () => {} };
  const server = createHttpsServer({ ...options, ...tls.options });
  const followed = tls.follow(server);
  return { server, dropHandshakes: () => followed.dropHandshakes() };
}
