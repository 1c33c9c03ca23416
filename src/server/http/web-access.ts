import { cors } from '@connectrpc/connect';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isAllowedHost } from '../security/web/allowed-hosts.ts';
import { refuse } from './answer.ts';

/** What web pages may do. */
export interface WebAccess {
  /** The host that the server listens on. */
  readonly listenHost: string;
  /** Further hosts of the server; undefined if any host is accepted, because each call needs credentials anyway. */
  readonly hosts: readonly string[] | undefined;
  /** The origins of other sites whose pages may call the server. */
  readonly origins: readonly string[];
}

/** Headers of answers that a page of another site may read, beside those of the protocols. */
const EXPOSED = ['Idempotency-Key', 'Idempotency-Replayed', 'Display-Number', 'Retry-After', 'Trailer-Request-Id'];
/** Headers that it may send. */
const ALLOWED = ['Authorization', 'Idempotency-Key', 'Traceparent', 'Tracestate'];
/** How long a browser may keep the answer to its preflight request. */
const MAX_AGE_SECONDS = 7200;

/** Refuses requests for another host, and lets pages of the origins call. Call it before routes are added. */
export function guardWebAccess(app: FastifyInstance, { listenHost, hosts, origins }: WebAccess): void {
  if (hosts) app.addHook('onRequest', hostGuard(listenHost, hosts));
  // Loaded only if it is switched on.
  if (origins.length > 0) void app.register(import('@fastify/cors'), corsOptions(origins));
}

function hostGuard(listenHost: string, hosts: readonly string[]) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { host } = request.raw.headers;
    // A client of HTTP/1.0 may leave it out; a browser does not. Probes call a container by its address, and learn
    // nothing.
    if (host === undefined || isProbe(request) || isAllowedHost(host, listenHost, hosts)) return done();
    const shown = JSON.stringify(host.slice(0, 128));
    refuse(
      reply,
      'HOST_FORBIDDEN',
      `the host ${shown} is not one of this server's: add it to --http-hosts, or set --tokens`,
    );
  };
}

function isProbe({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url === '/healthz' || routeOptions.url === '/readyz';
}

/** CORS, for all that is served. */
function corsOptions(origins: readonly string[]) {
  return {
    origin: [...origins],
    methods: ['GET', 'POST'],
    allowedHeaders: [...cors.allowedHeaders, ...ALLOWED],
    exposedHeaders: [...cors.exposedHeaders, ...EXPOSED],
    maxAge: MAX_AGE_SECONDS,
  };
}
