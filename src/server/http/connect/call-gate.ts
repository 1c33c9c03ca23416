import type { IncomingHttpHeaders } from 'node:http';
import type { DescMethod } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { OrderError } from '../../../core/errors.ts';
import type { DoorContext } from '../../calls.ts';
import { CallDoor, HTTP } from '../../calls.ts';
import { MAX_BATCH_BYTES, MAX_REQUEST_BYTES } from '../../limits.ts';
import { refusalFor } from '../../methods/rpc-status.ts';
import type { ServedMethod } from '../../methods/served-method.ts';
import { toConnectError } from './connect-error.ts';
import type { Descriptors } from './descriptors.ts';
import { pathOf } from './descriptors.ts';
import { EXCHANGE } from './exchange.ts';
import { readBody } from './request-body.ts';

/** Before a message in a stream: a byte of flags and its length. */
const ENVELOPE_BYTES = 5;
const KEY_HEADER =
  'the header Idempotency-Key counts for POST /api/generateOrderNumber only; send request_id in the message';

/**
 * Admits or refuses calls before anything of their bodies is read, then reads them within their bounds. What it throws
 * is the answer.
 */
export function callGate(
  methods: Readonly<Record<string, ServedMethod>>,
  door: DoorContext,
  { service, registry }: Descriptors,
): (context: HandlerContext) => Promise<void> {
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
    const call = callDoor.begin(raw);
    let isAdmitted = false;
    try {
      call.admit();
      isAdmitted = true;
      if (raw.headers['idempotency-key'] !== undefined) throw new OrderError('REQUEST_ID_INVALID', KEY_HEADER);
      exchange.body = await readBody(raw, maxBytes(callDoor.method.isBatch ?? false, method, raw.headers));
      exchange.entered = call;
    } catch (thrown) {
      const error = call.refusalOf(thrown);
      if (isAdmitted) call.refused(error);
      else if (call.turnedAway(error)) exchange.endConnection();
      throw toConnectError(refusalFor(error, false), registry);
    }
  };
}

function maxBytes(isBatch: boolean, { methodKind }: DescMethod, headers: IncomingHttpHeaders): number {
  const bytes = isBatch ? MAX_BATCH_BYTES : MAX_REQUEST_BYTES;
  const isEnveloped = methodKind !== 'unary' || headers['content-type']?.startsWith('application/grpc-web');
  return isEnveloped ? bytes + ENVELOPE_BYTES : bytes;
}
