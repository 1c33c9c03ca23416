import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { TransportReason } from './status.ts';
import { refusalBody, statusOf } from './status.ts';

/** Of what Node.js cannot read as a request: why, in its codes and in ours. */
const REFUSALS: Readonly<Record<string, readonly [reason: TransportReason, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'the headers of the request are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['PAYLOAD_TOO_LARGE', 'the chunk extensions of the request are too large'],
};

/** Answers, as far as anybody reads it, what is no HTTP request, and ends the connection. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  // Bytes written now would become part of an answer that is under way.
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
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

/** Whether the head of an answer has left, and its end has not. */
function isAnswering(socket: Socket): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: { readonly headersSent: boolean } | null };
  return message?.headersSent ?? false;
}
