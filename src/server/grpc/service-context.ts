import type { Socket } from 'node:net';
import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { Allocator } from '../../core/allocator.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { DoorContext, Transport } from '../calls.ts';
import type { ClientCertificate } from '../security/client-certificate.ts';
import { clientCertificateOf } from '../security/client-certificate.ts';

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
  credentialsOf: (rpc) => ({
    authorization: rpc.metadata.get('authorization')[0]?.toString(),
    certificate: () => certificateOf(rpc),
  }),
};

/**
 * grpc-js keeps the connection of a call to itself. If a new version keeps it elsewhere, no call has a certificate, and
 * those that need one are refused.
 */
function certificateOf(rpc: unknown): ClientCertificate | undefined {
  const { call } = rpc as { readonly call?: { readonly stream?: { readonly session?: { readonly socket: Socket } } } };
  const socket = call?.stream?.session?.socket;
  return socket && clientCertificateOf(socket);
}
