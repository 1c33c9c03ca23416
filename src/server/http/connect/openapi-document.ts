import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { sendJson } from '../answer.ts';

export const OPENAPI_PATH = '/openapi.json';

/** Serves the OpenAPI document of the methods, which `make generate` has written. It needs no credentials. */
export function serveOpenApi(app: Pick<FastifyInstance, 'get'>): void {
  const document = readFileSync(new URL('../../../wire/gen/openapi.json', import.meta.url), 'utf8');
  app.get(OPENAPI_PATH, (_request, reply) => sendJson(reply, 200, document));
}
