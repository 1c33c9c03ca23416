import type { FastifyReply } from 'fastify';
import type { Reason } from '../../core/reasons.ts';
import type { TransportReason } from './status.ts';
import { refusalBody, statusOf } from './status.ts';

/** Complete, so that fastify need not add the charset to each answer. */
const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a body that is already JSON. Headers that were set before stay. */
export function sendJson(reply: FastifyReply, code: number, body: string): FastifyReply {
  return reply.code(code).header('content-type', JSON_TYPE).send(body);
}

/**
 * Sends a refusal: its status, Retry-After if a retry makes sense, WWW-Authenticate for a 401, and the reason in the
 * body.
 */
export function refuse(
  reply: FastifyReply,
  reason: Reason | TransportReason,
  message: string,
  detail?: string,
): FastifyReply {
  const { code, retryAfterSeconds } = statusOf(reason);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  if (code === 401) reply.header('www-authenticate', 'Bearer');
  return sendJson(reply, code, refusalBody(reason, message, detail));
}
