import type { IncomingHttpHeaders } from 'node:http';
import { OrderError } from '../../../core/errors.ts';

/** Before a message in a stream: a byte of flags and its length. */
export const ENVELOPE_BYTES = 5;

const GRPC_WEB_TYPES = ['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web+json'];
const UNARY_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/proto', ...GRPC_WEB_TYPES]);
const STREAM_TYPES: ReadonlySet<string> = new Set([
  'application/connect+json',
  'application/connect+proto',
  ...GRPC_WEB_TYPES,
]);

const NO_ENVELOPE = 'the body must be one envelope: a byte of flags, 0, four bytes with the length, and the message';

/** The flag of an envelope whose message is compressed. */
const COMPRESSED = 1;

/**
 * Leaves of a Content-Type its media type, in lower case, and nothing if its charset is not UTF-8: the library knows
 * a few of the ways in which a client may write it.
 */
export function simplifyContentType(headers: IncomingHttpHeaders): void {
  const parts = (headers['content-type'] ?? '').toLowerCase().split(';');
  const [type = '', ...parameters] = parts.map((part) => part.trim());
  const isUtf8 = parameters.every((one) => !one.startsWith('charset=') || /^charset="?utf-?8"?$/.test(one));
  headers['content-type'] = isUtf8 ? type : '';
}

/** What to send instead of a simplified Content-Type that the method does not have; undefined if it has it. */
export function otherContentType(headers: IncomingHttpHeaders, isStream: boolean): string | undefined {
  const sent = headers['content-type'] ?? '';
  if (isStream) {
    const remedy = 'the method answers with a stream: send Content-Type: application/connect+json, and an envelope';
    return STREAM_TYPES.has(sent) ? undefined : remedy;
  }
  return UNARY_TYPES.has(sent) ? undefined : 'the body must be JSON, with Content-Type: application/json';
}

/** Whether the messages of a request have envelopes, as those of streams and of gRPC-Web have. */
export function isEnveloped(headers: IncomingHttpHeaders): boolean {
  return isGrpcWeb(headers) || (headers['content-type'] ?? '').startsWith('application/connect+');
}

export function isGrpcWeb(headers: IncomingHttpHeaders): boolean {
  return (headers['content-type'] ?? '').startsWith('application/grpc-web');
}

/** The one message of a request. */
export interface SentMessage {
  readonly isJson: boolean;
  readonly bytes: Buffer;
}

/**
 * The message in a body. Undefined if it is compressed, which the library refuses. Throws REQUEST_MALFORMED unless a body
 * of envelopes is one envelope: the library overlooks flags that it does not know, and what follows the first message.
 */
export function messageIn(body: Buffer, headers: IncomingHttpHeaders): SentMessage | undefined {
  const isJson = (headers['content-type'] ?? '').endsWith('json');
  if (!isEnveloped(headers)) {
    const compression = headers['content-encoding'] ?? 'identity';
    return compression === 'identity' ? { isJson, bytes: body } : undefined;
  }
  const flags = body[0] ?? 0;
  const isWhole = body.length >= ENVELOPE_BYTES && body.readUInt32BE(1) === body.length - ENVELOPE_BYTES;
  if (flags === COMPRESSED) return undefined;
  if (flags !== 0 || !isWhole) throw new OrderError('REQUEST_MALFORMED', NO_ENVELOPE);
  return { isJson, bytes: body.subarray(ENVELOPE_BYTES) };
}
