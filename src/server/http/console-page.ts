import type { Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { PageFile } from '../console/page-files.ts';

/** Serves the files of the console, without credentials: what the page then asks for needs them. */
export function serveConsole(app: FastifyInstance<Server>, files: readonly PageFile[]): void {
  for (const { path, headers, content } of files) {
    app.get(path, (request, reply) => {
      const { body, etag } = content();
      void reply.headers({ ...headers, etag });
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.send(body);
    });
  }
}
