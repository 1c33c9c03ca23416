import type { IncomingMessage } from 'node:http';
import { cancelled, requestTooLarge } from '../../../core/refusals.ts';

/**
 * Resolves to the body once it is complete. Rejects with REQUEST_TOO_LARGE above the limit; what still arrives is read
 * and dropped then, because closing the connection on it would lose the answer. Rejects with CANCELLED if the client
 * disconnects. The server's own time limit ends a body that does not arrive.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const announced = Number(request.headers['content-length'] ?? 0);
  let chunks: Buffer[] = [];
  let bytes = 0;
  const refuse = (size: number) => {
    chunks = [];
    reject(requestTooLarge(size, maxBytes));
  };
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else refuse(Math.max(bytes, announced));
  });
  request.once('end', () => resolve(Buffer.concat(chunks)));
  request.once('close', () => reject(cancelled()));
  request.once('error', () => reject(cancelled()));
  if (announced > maxBytes) refuse(announced);
  return promise;
}
