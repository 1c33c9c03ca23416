import type { FastifyRequest } from 'fastify';
import { formatAddress } from '../address.ts';

/** The address that a request came from, for the log; empty once its connection is gone. */
export function peerOf({ raw: { socket } }: FastifyRequest): string {
  const { remoteAddress: host, remotePort: port } = socket;
  return host === undefined || port === undefined ? '' : formatAddress({ host, port });
}
