import type { HandlerContext } from '@connectrpc/connect';
import { OrderError } from '../../../core/errors.ts';
import type { DoorContext } from '../../calls.ts';
import { CallDoor, HTTP } from '../../calls.ts';
import { MAX_BATCH_BYTES, MAX_INCOMING_BYTES, MAX_REQUEST_BYTES } from '../../limits.ts';
import { refusalFor } from '../../methods/rpc-status.ts';
import type { ServedMethod } from '../../methods/served-method.ts';
import { toConnectError } from './connect-error.ts';
import type { Descriptors } from './descriptors.ts';
import { pathOf } from './descriptors.ts';
import { EXCHANGE } from './exchange.ts';
import { IncomingBodies } from './incoming-bodies.ts';
import { malformedMessage } from './malformed-message.ts';
import type { SentMessage } from './request-form.ts';
import { ENVELOPE_BYTES, isEnveloped, messageIn } from './request-form.ts';

const KEY_HEADER =
  'the header Idempotency-Key is for POST /api/generateOrderNumber only; send request_id in the message';

/**
 * Admits or refuses calls before anything of their bodies is read, then reads them within their bounds. What it throws
 * is the answer.
 */
export function callGate(
  methods: Readonly<Record<string, ServedMethod>>,
  door: DoorContext,
  { service, registry }: Descriptors,
): (context: HandlerContext) => Promise<void> {
  const bodies = new IncomingBodies(MAX_INCOMING_BYTES);
  const doors = new Map(
    service.methods.map((method) => {
      const { method: called } = methods[method.localName]!;
      return [method, new CallDoor(HTTP, called, door, pathOf(method))] as const;
    }),
  );
  return async ({ values, method }) => {
    const exchange = values.get(EXCHANGE)!;
    const { raw } = exchange.request;
    const callDoor = doors.get(method)!;
    const maxBytes = callDoor.method.isBatch ? MAX_BATCH_BYTES : MAX_REQUEST_BYTES;
    const call = callDoor.begin(raw);
    const refuse = (error: OrderError, where?: string) =>
      toConnectError({ ...refusalFor(error, false), ...(where !== undefined && { where }) }, registry);
    try {
      call.admit();
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      if (call.turnedAway(error)) exchange.endConnection();
      throw refuse(error);
    }
    exchange.enter(call);
    let sent: SentMessage | undefined;
    try {
      const key = raw.headers['idempotency-key'];
      if (key !== undefined) throw keyInHeader(String(key));
      exchange.body = await bodies.read(raw, maxBytes, isEnveloped(raw.headers) ? ENVELOPE_BYTES : 0);
      sent = messageIn(exchange.body, raw.headers);
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      exchange.take().refused(error);
      throw refuse(error);
    }
    const found = sent && malformedMessage(sent, method.input, registry);
    if (!found) return;
    exchange.take().refused(found.error);
    throw refuse(found.error, found.where);
  };
}

function keyInHeader(key: string): OrderError {
  return new OrderError('REQUEST_ID_INVALID', KEY_HEADER, { fields: { request_id: key } });
}
