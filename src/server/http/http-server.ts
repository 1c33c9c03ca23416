import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Address } from '../address.ts';
import { listenOn } from '../address.ts';
import { KEEP_ALIVE_MS, MAX_CONNECTIONS, MAX_HEADER_BYTES } from '../limits.ts';
import type { ServedMethod } from '../methods/served-method.ts';
import { shareConnections } from '../security/connection-shares.ts';
import { OPEN } from '../security/principal.ts';
import type { ListenerTls } from '../security/tls/listener-tls.ts';
import { createWebServer } from '../security/tls/web-server.ts';
import { BatchEndpoint } from './batch-endpoint.ts';
import type { OrderEndpointOptions } from './order-endpoint.ts';
import { OrderEndpoint } from './order-endpoint.ts';
import { httpRoutes } from './routes.ts';

/** What the HTTP endpoint needs. */
export interface HttpServerOptions extends OrderEndpointOptions {
  readonly address: Address;
  /** The methods of the service, which gRPC has, too. */
  readonly methods: Readonly<Record<string, ServedMethod>>;
  /** Names under which an open server is called, beside its address and those of the loopback. */
  readonly hosts: readonly string[];
  /** Origins whose web pages may call it. */
  readonly origins: readonly string[];
  /** How long a connection may stay idle. */
  readonly idleTimeoutMs: number;
  /** Whether the ledger is open and the server is not draining: what /readyz says. */
  isServing(): boolean;
  /** Absent for plaintext. */
  readonly tls?: ListenerTls;
  /** What /readyz adds while the server is not serving. */
  whyNotServing?(): Readonly<Record<string, string>>;
}

/** An HTTP server that listens. */
export interface HttpServer {
  readonly address: Address;
  /** Takes no new connection. Calls on those that are open go on, one more on each. */
  stopAccepting(): void;
  /** Ends every connection: gently, and by force those that are left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Bounds of what one client can take. */
const LIMITS = {
  maxHeaderSize: MAX_HEADER_BYTES,
  /** How long a client may take to send its headers, and its whole request; answers have no such limit. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
};

/** Serves the original sample's endpoint, and the methods by Connect and gRPC-Web. Rejects if it cannot listen on the address. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { address, logger, authenticator, hosts, origins } = options;
  const { server, dropHandshakes } = createWebServer(
    { ...LIMITS, keepAliveTimeout: options.idleTimeoutMs },
    options.tls,
  );
  let isClosing = false;
  const app = httpRoutes({
    endpoint: new OrderEndpoint(options),
    batchEndpoint: new BatchEndpoint(options),
    connect: { methods: options.methods, door: options, requestTimeoutMs: options.requestTimeoutMs },
    web: { listenHost: address.host, hosts: authenticator === OPEN ? hosts : undefined, origins },
    logger,
    serverFactory: (handler) => server.on('request', handler),
    isServing: () => options.isServing(),
    whyNotServing: () => options.whyNotServing?.() ?? {},
    isClosing: () => isClosing,
  });
  await app.ready();
  shareConnections(server, MAX_CONNECTIONS);
  const bound = await listenOn(server, address);
  // The system could not accept a connection; without a listener the event would end the process. The others go on.
  server.on('error', (error) => logger.error({ err: error }, 'a connection could not be accepted'));

  return {
    address: bound,
    stopAccepting() {
      isClosing = true;
      stopListening(server);
    },
    async close(graceMs) {
      isClosing = true;
      // Ends idle connections at once; the others end with their answers.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      dropHandshakes();
      const force = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(force);
    },
  };
}

/**
 * Closes as net.Server does. http.Server's own close would end idle connections, on which a client may be
 * sending at this moment; they get one more answer instead, with `connection: close`.
 */
function stopListening(server: Server): void {
  NetServer.prototype.close.call(server);
}
