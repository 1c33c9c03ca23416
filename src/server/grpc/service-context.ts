import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { CallRecords, Transport } from '../calls.ts';

/** What the methods of the service work on. */
export interface ServiceContext extends CallRecords {
  readonly allocator: Allocator;
  readonly ledger: Ledger;
  /** Aborts when the server begins to stop: streams end then. */
  readonly stopping: AbortSignal;
}

/** Calls as grpc-js hands them over. */
export const GRPC: Transport<{ getPeer(): string }> = {
  name: 'grpc',
  peerOf: (rpc) => rpc.getPeer(),
};
