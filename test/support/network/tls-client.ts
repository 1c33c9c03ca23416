import type { IncomingHttpHeaders, RequestOptions } from 'node:http';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { connect } from 'node:tls';
import { onTestFinished } from 'vitest';
import { AUTHORITY } from './certificates.ts';

/** An answer over HTTPS. */
export interface SecureAnswer {
  readonly code: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Certificates and options of a client. */
export type TlsClientOptions = ConnectionOptions;

/** Asks over HTTPS, on a connection of its own; POST if there is a body. Rejects if there is no answer. */
export function askSecurely(
  address: string,
  path: string,
  {
    body,
    headers = {},
    tls = {},
  }: {
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly tls?: TlsClientOptions;
  } = {},
): Promise<SecureAnswer> {
  const { hostname, port } = new URL(`https://${address}`);
  const options: RequestOptions = {
    hostname,
    port,
    path,
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    agent: new Agent({ maxCachedSessions: 0 }),
  };
  const answered = Promise.withResolvers<SecureAnswer>();
  const asked = request({ ca: AUTHORITY.cert, ...tls, ...options }, (response) => {
    const { statusCode: code } = response;
    const answer = { code, headers: response.headers };
    text(response).then((received) => answered.resolve({ ...answer, body: received }), answered.reject);
  });
  asked.on('error', answered.reject);
  asked.end(body);
  return answered.promise;
}

/** What became of a connection that was only made. */
export interface Handshake {
  /** Undefined if the handshake failed. */
  readonly protocol: string | undefined;
  readonly alpn: string | false | undefined;
  /** The code of the error with which the connection failed, if it did, or `closed` if the server closed it. */
  readonly end: string | undefined;
  /** With which the session can be resumed; undefined if the server gave none yet. */
  readonly session: Buffer | undefined;
  readonly socket: TLSSocket;
}

/** Connects and, once connected, waits for `waitMs` at most whether the server ends the connection. */
export function shakeHands(address: string, tls: TlsClientOptions = {}, waitMs = 300): Promise<Handshake> {
  const { hostname: host, port } = new URL(`https://${address}`);
  const socket = connect({ host, port: Number(port), ca: AUTHORITY.cert, ALPNProtocols: ['h2'], ...tls });
  onTestFinished(() => void socket.destroy());
  let seen: Pick<Handshake, 'protocol' | 'alpn'> = { protocol: undefined, alpn: undefined };
  let session: Buffer | undefined;
  socket.on('session', (given: Buffer) => (session = given));
  return new Promise((resolve) => {
    const finish = (end: string | undefined) => resolve({ ...seen, end, session, socket });
    socket.resume();
    socket.once('secureConnect', () => {
      seen = { protocol: socket.getProtocol() ?? undefined, alpn: socket.alpnProtocol ?? undefined };
      setTimeout(finish, waitMs, undefined);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code));
    socket.once('close', () => finish('closed'));
  });
}
