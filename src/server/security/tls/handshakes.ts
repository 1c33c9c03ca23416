import type { AddressInfo } from 'node:net';
import { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { TLSSocket } from 'node:tls';
import { formatAddress, networkOf } from '../../address.ts';
import { MAX_HANDSHAKES, STALLED_HANDSHAKE_MS } from '../../limits.ts';
import type { Logger } from '../../log/log.ts';
import type { FailedHandshake, HandshakeFailure } from './handshake-failures.ts';
import { failureOf, sentenceFor } from './handshake-failures.ts';

/** Called for each handshake that failed, for metrics; never throws. */
export interface HandshakeObserver {
  handshakeFailed(why: HandshakeFailure): void;
}

export interface HandshakesOptions {
  readonly logger: Logger;
  readonly observer: HandshakeObserver;
  /** The protocol that the listener serves, as ALPN names it. */
  readonly alpn: string;
}

/**
 * Limits how many handshakes of a listener are in progress, and records those that fail. Beyond the limit the oldest
 * one is dropped if it has stalled; otherwise the new one is.
 */
export class Handshakes {
  readonly #server: Server;
  readonly #options: HandshakesOptions;
  /** The connections in their handshakes, the oldest first. */
  readonly #underWay = new Map<Socket, Accepted>();

  /** Create it before the server listens. The time limit is in the server's options. */
  constructor(server: Server, options: HandshakesOptions) {
    this.#server = server;
    this.#options = options;
    requireAcceptedSocket();
    const [shake, ...others] = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    if (!shake || others.length > 0) throw new Error('this version of Node.js accepts TLS connections elsewhere');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#begin(socket)) return;
      shake.call(server, socket);
    });
    server.prependListener('secureConnection', (socket) => void this.#underWay.delete(acceptedSocket(socket)));
    // The default listener of https.Server would answer such a client over HTTP.
    server.removeAllListeners('tlsClientError');
    server.on('tlsClientError', (error, socket) => this.#fail(error, socket));
  }

  /** Records that a connection is refused after its handshake. */
  refused(socket: TLSSocket, why: FailedHandshake): void {
    this.#record(acceptedSocket(socket), why);
  }

  /** Drops all handshakes in progress. */
  drop(): void {
    for (const socket of this.#underWay.keys()) socket.destroy();
    this.#underWay.clear();
  }

  #begin(socket: Socket): boolean {
    const now = performance.now();
    // Read now, because Node.js keeps it once read, and a closed socket no longer has it.
    const network = networkOf(socket.remoteAddress ?? '');
    if (this.#underWay.size >= MAX_HANDSHAKES) {
      const drops = this.#roomFor(network, now) ?? socket;
      this.#underWay.delete(drops);
      this.#record(drops, { failure: 'too_many' });
      drops.destroy();
      if (drops === socket) return false;
    }
    this.#underWay.set(socket, { network, at: now });
    return true;
  }

  /**
   * The handshake that has to make room for one of this network, if any: the oldest of a network that has more than half
   * of them, and otherwise, or for that network itself, one that has stalled.
   */
  #roomFor(network: string, now: number): Socket | undefined {
    const counts = new Map<string, number>();
    let greedy: string | undefined;
    for (const { network: one } of this.#underWay.values()) {
      const count = (counts.get(one) ?? 0) + 1;
      counts.set(one, count);
      if (count > MAX_HANDSHAKES / 2) greedy = one;
    }
    for (const [socket, accepted] of this.#underWay) {
      if (greedy !== undefined && accepted.network !== greedy) continue;
      const isOthers = greedy !== undefined && greedy !== network;
      return isOthers || now - accepted.at >= STALLED_HANDSHAKE_MS ? socket : undefined;
    }
    return undefined;
  }

  #fail(error: Error, socket: TLSSocket): void {
    // Node.js leaves the connection open after a handshake timeout.
    socket.destroy();
    const accepted = acceptedSocket(socket);
    if (!this.#underWay.delete(accepted)) return;
    // A load balancer that only checks whether the port is open.
    if (accepted.bytesRead === 0 && 'code' in error && error.code === 'ECONNRESET') return;
    this.#record(accepted, failureOf(error, socket));
  }

  #record({ remoteAddress, remotePort }: Socket, { failure, detail }: FailedHandshake): void {
    const { logger, observer, alpn } = this.#options;
    observer.handshakeFailed(failure);
    const peer = remoteAddress === undefined ? '' : formatAddress({ host: remoteAddress, port: remotePort ?? 0 });
    const line = { peer, ...(detail !== undefined && { why: detail }) };
    // A server that was stopped has no address any more.
    const { port } = (this.#server.address() as AddressInfo | null) ?? { port: 0 };
    logger.info(line, sentenceFor(failure, port, alpn));
  }
}

interface Accepted {
  readonly network: string;
  /** In milliseconds, of a clock that never goes back. */
  readonly at: number;
}

/** Throws if a connection would not have it: better at the start than at the first connection. */
function requireAcceptedSocket(): void {
  const probe = new TLSSocket(new Socket(), { isServer: true });
  probe.on('error', () => {});
  acceptedSocket(probe).destroy();
  probe.destroy();
}

/** The accepted socket. It is internal to Node.js, but the limit cannot work without it. */
function acceptedSocket(socket: TLSSocket): Socket {
  const { _parent: accepted } = socket as unknown as { readonly _parent?: unknown };
  if (accepted instanceof Socket) return accepted;
  throw new Error('this version of Node.js keeps the socket of a TLS connection elsewhere');
}
