import type { ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { TransportReason } from './status.ts';
import { refusalBody, statusOf } from './status.ts';

/** Our refusals for the codes with which Node.js rejects a request. */
const REFUSALS: Readonly<Record<string, readonly [reason: TransportReason, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'the headers of the request are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['PAYLOAD_TOO_LARGE', 'the chunk extensions of the request are too large'],
};

/**
 * Answers what cannot be read as a request, and ends the connection. It sends no answer if that would be taken for
 * the answer to an earlier request still under way: no caller may be told that a call failed if it may have succeeded.
 */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || owesAnswer(socket)) {
    socket.destroy();
    return;
  }
  const [reason, message] = REFUSALS[error.code ?? ''] ?? ['BAD_REQUEST', 'this is not an HTTP request'];
  const { code } = statusOf(reason);
  const body = refusalBody(reason, message);
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** Whether the socket owes an answer to a request that arrived completely, or has begun one. */
function owesAnswer(socket: Socket): boolean {
  // Node.js keeps the pending answer here; its own default handler looks there, too.
  const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse | null };
  return answer !== undefined && answer !== null && (answer.req.complete || answer.headersSent);
}
