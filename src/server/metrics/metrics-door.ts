import type { IncomingMessage } from 'node:http';
import type { DoorContext } from '../calls.ts';
import { CallDoor, HTTP } from '../calls.ts';
import type { PageRefusal } from './page-server.ts';

const METHOD = { name: 'metrics', verb: 'metrics' } as const;

/** Requires the verb `metrics`: returns why a request for the metrics is refused, if it is. */
export function metricsDoor(context: DoorContext): (request: IncomingMessage) => PageRefusal | undefined {
  const door = new CallDoor(HTTP, METHOD, context, '/metrics');
  return (request) => {
    const call = door.begin(request);
    try {
      call.admit();
      return undefined;
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      const status = error.reason === 'TOKEN_INVALID' ? 401 : 403;
      return { status, message: error.message, endsConnection: call.turnedAway(error) };
    }
  };
}
