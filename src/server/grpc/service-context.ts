import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { DoorContext, Transport } from '../calls.ts';

/** What the methods of the service work on. */
export interface ServiceContext extends DoorContext {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}

/** Calls as grpc-js hands them over. */
export const GRPC: Transport<Pick<ServerUnaryCall<unknown, unknown>, 'getPeer' | 'metadata'>> = {
  name: 'grpc',
  peerOf: (rpc) => rpc.getPeer(),
  credentialsOf: ({ metadata }) => ({ authorization: metadata.get('authorization')[0]?.toString() }),
};
