import type { FileRegistry } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import type { Code } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
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
  return new ConnectError(message, code as Code, undefined, legible);
}
