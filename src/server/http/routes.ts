import type { Server } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifyServerFactory } from 'fastify';
import { fastify } from 'fastify';
import { peerOf } from '../address.ts';
import { toOrderError } from '../../core/refusals.ts';
import type { Logger } from '../log/log.ts';
import { clientCertificateOf } from '../security/client-certificate.ts';
import { refuse, sendJson } from './answer.ts';
import { MAX_BATCH_BYTES, MAX_REQUEST_BYTES } from '../limits.ts';
import { pageFiles } from '../console/page-files.ts';
import { answerClientError } from './client-errors.ts';
import { serveConsole } from './console-page.ts';
import type { ConnectOptions } from './connect/connect-routes.ts';
import { connectRoutes } from './connect/connect-routes.ts';
import { OPENAPI_PATH, serveOpenApi } from './connect/openapi-document.ts';
import type { BatchEndpoint } from './batch-endpoint.ts';
import { BATCH_PATH } from './batch-endpoint.ts';
import type { ServingState } from './probes.ts';
import { probesOf } from './probes.ts';
import type { OrderEndpoint } from './order-endpoint.ts';
import { ORDER_PATH } from './order-endpoint.ts';
import type { WebAccess } from './web-access.ts';
import { guardWebAccess } from './web-access.ts';

/** What the routes need. */
export interface RouteOptions extends ServingState {
  readonly endpoint: OrderEndpoint;
  readonly batchEndpoint: BatchEndpoint;
  readonly connect: Omit<ConnectOptions, 'isLast'>;
  readonly web: WebAccess;
  readonly logger: Logger;
  readonly serverFactory: FastifyServerFactory<Server>;
  /** Whether each answer is the last of its connection. */
  isClosing(): boolean;
}

/** The methods of each path that is served. */
const ALLOWED: ReadonlyMap<string, string> = new Map([
  [ORDER_PATH, 'POST'],
  [BATCH_PATH, 'POST'],
  [OPENAPI_PATH, 'GET, HEAD'],
  ['/healthz', 'GET, HEAD'],
  ['/readyz', 'GET, HEAD'],
]);

/** Everything that is served over HTTP. Every refusal from here is JSON with a message and a reason. */
export function httpRoutes({
  endpoint,
  batchEndpoint,
  connect,
  web,
  logger,
  serverFactory,
  ...state
}: RouteOptions): FastifyInstance<Server> {
  const files = pageFiles();
  const allowed = new Map([...ALLOWED, ...files.map(({ path }) => [path, 'GET, HEAD'] as const)]);
  const app = fastify<Server>({
    serverFactory,
    bodyLimit: MAX_REQUEST_BYTES,
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    clientErrorHandler: answerClientError,
    // A path that cannot be decoded does not exist.
    frameworkErrors: (_error, request, reply) => refuseUnknown(request, reply, allowed),
  });
  app.removeAllContentTypeParsers();
  guardWebAccess(app, web);
  const isLast = ({ raw }: FastifyRequest) =>
    state.isClosing() || (clientCertificateOf(raw.socket)?.ended.aborted ?? false);
  // Before the body is read, which does not matter for a path that is not served.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) refuseUnknown(request, reply, allowed);
    else done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (isLast(request)) reply.header('connection', 'close');
    done(null, payload);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => refuseError(error, request, reply, logger));

  void app.register((api, _options, done) => {
    // The endpoint parses the text itself, so that a malformed body costs no client the connection.
    api.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, parsed) =>
      parsed(null, toText(body)),
    );
    api.post(ORDER_PATH, { onRequest: endpoint.admit }, endpoint.handle);
    api.post(BATCH_PATH, { onRequest: batchEndpoint.admit, bodyLimit: MAX_BATCH_BYTES }, batchEndpoint.handle);
    done();
  });
  void app.register(connectRoutes({ ...connect, isLast: ({ request }) => isLast(request) }));
  serveOpenApi(app);
  serveConsole(app, files, (request, reply) => refuseUnknown(request, reply, allowed));
  for (const { path, answer } of probesOf(state)) {
    app.get(path, (_request, reply) => {
      const { status, json } = answer();
      return sendJson(reply, status, json);
    });
  }
  return app;
}

/** Replaces the schema compilers, which take as long to load as the rest of fastify. */
function noSchemas(): never {
  throw new Error('no route has a schema');
}

/** Without the byte order mark that some clients send and JSON does not allow. */
function toText(body: string | Buffer): string {
  const text = body.toString();
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function refuseUnknown(request: FastifyRequest, reply: FastifyReply, allowed: ReadonlyMap<string, string>): void {
  const allow = allowed.get(pathOf(request));
  if (allow === undefined) {
    refuse(reply, 'NOT_FOUND', `nothing is served at this path; the methods are listed at ${OPENAPI_PATH}`);
  } else refuse(reply.header('allow', allow), 'METHOD_NOT_ALLOWED', `this path allows ${allow} only`);
}

/** The path without the query, which must not be logged: some clients put credentials into it. */
function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0] ?? '';
}

/** Answers what fastify refuses, and unexpected errors, whose details stay in the log. */
function refuseError(error: FastifyError, request: FastifyRequest, reply: FastifyReply, logger: Logger): void {
  const line = {
    http_method: request.method,
    path: pathOf(request).slice(0, 128),
    peer: peerOf(request.raw.socket).name,
  };
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    // The rest of the body is read and dropped: closing the connection on it would lose the answer.
    reply.removeHeader('connection');
    refuse(reply, 'PAYLOAD_TOO_LARGE', `the body is larger than ${request.routeOptions.bodyLimit} bytes`);
    logger.info({ ...line, reason: 'PAYLOAD_TOO_LARGE' }, 'refused');
  } else if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    refuse(reply, 'UNSUPPORTED_MEDIA_TYPE', 'the body must be JSON, with Content-Type: application/json');
    logger.info({ ...line, reason: 'UNSUPPORTED_MEDIA_TYPE' }, 'refused');
  } else if (request.raw.destroyed && !request.raw.complete) {
    // The client disconnected in the middle of its body.
    refuse(reply, 'BAD_REQUEST', 'the body is shorter than announced');
    logger.info({ ...line, reason: 'BAD_REQUEST' }, 'refused');
  } else if (error.code?.startsWith('FST_') && error.statusCode === 400) {
    // Anything else that fastify rejects in a request.
    refuse(reply, 'BAD_REQUEST', 'the request cannot be read');
    logger.info({ ...line, reason: 'BAD_REQUEST' }, 'refused');
  } else {
    const { reason, message } = toOrderError(error, false);
    refuse(reply, reason, message);
    logger.error({ ...line, reason, err: error }, message);
  }
}
