import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Call, CallDoor } from '../calls.ts';
import { refuse } from './answer.ts';

/** Where a request keeps its admitted call. */
const ENTERED = Symbol('entered');

interface EnteredRequest extends FastifyRequest {
  [ENTERED]?: Call<IncomingMessage>;
}

/** Admits or refuses the requests of a method before any of their bodies is read. */
export function admission(door: CallDoor<IncomingMessage>) {
  return (request: EnteredRequest, reply: FastifyReply, done: () => void): void => {
    const call = door.begin(request.raw);
    try {
      call.admit();
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      if (call.turnedAway(error)) endConnection(request, reply, () => refuse(reply, error.reason, error.message));
      else refuse(reply, error.reason, error.message);
      return;
    }
    request[ENTERED] = call;
    done();
  };
}

/** The admitted call of a request. */
export function enteredBy(request: EnteredRequest): Call<IncomingMessage> {
  const call = request[ENTERED];
  if (!call) throw new Error('a request has bypassed the door');
  return call;
}

/**
 * Answers, then closes the connection. The rest of the body is read and dropped first: closing a connection with unread
 * data resets it, and the answer may be lost.
 */
function endConnection({ raw }: FastifyRequest, reply: FastifyReply, answer: () => void): void {
  reply.header('connection', 'close');
  raw.once('end', answer);
  raw.resume();
}
