import type { Server } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PageFile } from '../console/page-files.ts';

/**
 * Serves the files of the console, without credentials: what the page then asks for needs them. They share two routes,
 * because fastify compiles each route of its own at every start.
 */
export function serveConsole(
  app: FastifyInstance<Server>,
  files: readonly PageFile[],
  refuseUnknown: (request: FastifyRequest, reply: FastifyReply) => void,
): void {
  const known = new Map(files.map((file) => [file.path, file]));
  const serve = (path: string, request: FastifyRequest, reply: FastifyReply) => {
    const file = known.get(path);
    if (!file) return refuseUnknown(request, reply);
    const { body, etag } = file.content();
    void reply.headers({ ...file.headers, etag });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.send(body);
  };
  app.get('/', (request, reply) => serve('/', request, reply));
  app.get<{ Params: { readonly '*': string } }>('/console/*', (request, reply) =>
    serve(`/console/${request.params['*']}`, request, reply),
  );
}
