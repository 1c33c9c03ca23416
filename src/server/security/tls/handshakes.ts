import type { AddressInfo } from 'node:net';
import { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { formatAddress } from '../../address.ts';
import { MAX_HANDSHAKES, STALLED_HANDSHAKE_MS } from '../../limits.ts';
import type { Logger } from '../../log/log.ts';
import type { FailedHandshake, HandshakeFailure } from './handshake-failures.ts';
import { failureOf, sentenceFor } from './handshake-failures.ts';

/** Is told of handshakes that failed, for metrics; never throws. */
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
 * Bounds how many handshakes of a listener are under way, and records those that fail. Beyond the bound the one that has
 * taken longest makes room if it stalls; otherwise the new one is dropped.
 */
export class Handshakes {
  readonly #server: Server;
  readonly #options: HandshakesOptions;
  /** The accepted connections, the oldest first, and since when. */
  readonly #underWay = new Map<Socket, number>();

  /** Call it before the server listens. The server's options have the time limit. */
  constructor(server: Server, options: HandshakesOptions) {
    this.#server = server;
    this.#options = options;
    const [shake, ...others] = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    if (!shake || others.length > 0) throw new Error('this version of Node.js accepts TLS connections elsewhere');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#begin(socket)) return;
      shake.call(server, socket);
    });
    server.prependListener('secureConnection', (socket) => void this.#underWay.delete(acceptedSocket(socket)));
    // The listener of https.Server would answer such a client over HTTP.
    server.removeAllListeners('tlsClientError');
    server.on('tlsClientError', (error, socket) => this.#fail(error, socket));
  }

  /** Records that a connection is refused although its handshake was completed. */
  refused(socket: TLSSocket, why: FailedHandshake): void {
    this.#record(acceptedSocket(socket), why);
  }

  /** Ends all that are under way. */
  drop(): void {
    for (const socket of this.#underWay.keys()) socket.destroy();
    this.#underWay.clear();
  }

  #begin(socket: Socket): boolean {
    const now = performance.now();
    // Asked now, because a closed socket has forgotten it.
    void socket.remoteAddress;
    const [oldest] = this.#underWay;
    if (oldest && this.#underWay.size >= MAX_HANDSHAKES) {
      const [stalled, since] = oldest;
      const drops = now - since >= STALLED_HANDSHAKE_MS ? stalled : socket;
      this.#underWay.delete(drops);
      this.#record(drops, { failure: 'too_many' });
      drops.destroy();
      if (drops === socket) return false;
    }
    this.#underWay.set(socket, now);
    return true;
  }

  #fail(error: Error, socket: TLSSocket): void {
    // Node.js leaves a connection open whose handshake took too long.
    socket.destroy();
    const accepted = acceptedSocket(socket);
    if (!this.#underWay.delete(accepted)) return;
    // A load balancer that only looks whether the port is open.
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

/** The socket that was accepted, which Node.js keeps to itself; without it no bound could be kept. */
function acceptedSocket(socket: TLSSocket): Socket {
  const { _parent: accepted } = socket as unknown as { readonly _parent?: unknown };
  if (accepted instanceof Socket) return accepted;
  throw new Error('this version of Node.js keeps the socket of a TLS connection elsewhere');
}
