import type { FileRegistry } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { toRpcStatus } from '../../methods/rpc-status.ts';
import type { Refusal } from '../../methods/unary.ts';
import { messageAt } from './descriptors.ts';

/** A refusal with the details that it has over gRPC; in JSON they are legible, too (`debug`). */
export function toConnectError(refusal: Refusal, registry: FileRegistry): ConnectError {
  const { code, message, details } = toRpcStatus(refusal);
  const legible = details.map(({ typeUrl, value }) => {
    const desc = messageAt(registry, typeUrl);
    return { desc, value: fromBinary(desc, value) };
  });
  // The codes of Connect are those of gRPC.
  // HTTP demands it of a 401.
  const metadata = code === Code.Unauthenticated ? { 'www-authenticate': 'Bearer' } : undefined;
  return new ConnectError(message, code as Code, metadata, legible);
}
