import type { IncomingHttpHeaders } from 'node:http';

/** Before a message in a stream: a byte of flags and its length. */
export const ENVELOPE_BYTES = 5;

const JSON_FORMS = /^application\/(connect\+|grpc-web\+)?json\b/i;
const ENVELOPED_FORMS = /^application\/(connect\+|grpc-web\b)/i;

const UNARY_FORMS = /^application\/(json|proto|grpc-web(\+proto|\+json)?)\s*(;|$)/i;
const STREAM_FORMS = /^application\/(connect\+json|connect\+proto|grpc-web(\+proto|\+json)?)\s*(;|$)/i;

/** What to send instead of a Content-Type that the method does not have; undefined if it has it. */
export function otherContentType(headers: IncomingHttpHeaders, isStream: boolean): string | undefined {
  const sent = headers['content-type'] ?? '';
  if (isStream) {
    const remedy = 'the method answers with a stream: send Content-Type: application/connect+json, and an envelope';
    return STREAM_FORMS.test(sent) ? undefined : remedy;
  }
  return UNARY_FORMS.test(sent) ? undefined : 'the body must be JSON, with Content-Type: application/json';
}

/** Whether the messages of a request have envelopes, as those of streams and of gRPC-Web have. */
export function isEnveloped(headers: IncomingHttpHeaders): boolean {
  return ENVELOPED_FORMS.test(headers['content-type'] ?? '');
}

/** The one message of a request. */
export interface SentMessage {
  readonly isJson: boolean;
  readonly bytes: Buffer;
}

/** The message in a body. Undefined if the library refuses its form: it is compressed, or its envelope is damaged. */
export function messageIn(body: Buffer, headers: IncomingHttpHeaders): SentMessage | undefined {
  const isJson = JSON_FORMS.test(headers['content-type'] ?? '');
  const compression = headers['content-encoding'] ?? 'identity';
  if (!isEnveloped(headers)) return compression === 'identity' ? { isJson, bytes: body } : undefined;
  if (body.length < ENVELOPE_BYTES || body[0] !== 0) return undefined;
  const isWhole = body.readUInt32BE(1) === body.length - ENVELOPE_BYTES;
  return isWhole ? { isJson, bytes: body.subarray(ENVELOPE_BYTES) } : undefined;
}
