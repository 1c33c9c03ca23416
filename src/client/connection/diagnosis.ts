import type { Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import type { ConnectionProblem } from '../order-numbers-error.ts';
import type { ServerAddress } from './address.ts';

/** What a look at the server's port has found. */
export interface Diagnosis {
  readonly problem: ConnectionProblem;
  /** A sentence without its full stop, with the remedy. */
  readonly message: string;
}

/** PEM texts, as the client has them; undefined without TLS. */
export interface DiagnosisTls {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
}

/** How long to wait for a connection, and then for the first bytes on it. */
const CONNECT_MS = 1_000;
const LISTEN_MS = 500;
/** What an HTTP/2 client sends first: its preface and empty SETTINGS. The server answers with its own SETTINGS. */
const HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1');
const SETTINGS = 4;
const CHECK_ADDRESS = 'check the host and port of the server';
/** What is wrong with a certificate, unless it is an unknown CA. */
const UNTRUSTED: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name: use a name in the certificate',
  CERT_HAS_EXPIRED: 'has expired: replace it on the server',
  CERT_NOT_YET_VALID: 'is not valid yet: check the clocks of both machines',
};
const NO_SUCH_NAME = /^(ENOTFOUND|EAI_)/;

/** What was received on one connection. */
interface Heard {
  /** Undefined if a connection was made. */
  readonly refused?: NodeJS.ErrnoException;
  /** The first bytes, as Latin-1. */
  readonly text: string;
  /** The error after the connection was made. */
  readonly failed?: NodeJS.ErrnoException;
  readonly isClosed: boolean;
}

/**
 * Finds out what listens at an address to which no connection could be made, on connections of its own, with and
 * without TLS. Undefined for a Unix socket. Sends no call and no token.
 */
export async function diagnose(address: ServerAddress, tls: DiagnosisTls | undefined): Promise<Diagnosis | undefined> {
  const { host, name } = address;
  if (host === undefined) return undefined;
  const [plain, secure] = await Promise.all([hearPlain(address), hearTls(address, tls)]);
  if (plain.refused && secure.heard.refused) return unreachable(plain.refused);
  const answersTls = secure.isTls;
  if (tls === undefined) {
    if (isHttp2(plain.text)) return late(name);
    if (answersTls || isTlsRecord(plain.text)) {
      return say('needs-tls', `${name} uses TLS, but this client does not: turn TLS on (--tls or --tls-ca)`);
    }
    return plain.text === '' ? silent(name, plain) : notGrpc(name, plain.text);
  }
  if (!answersTls) {
    if (isHttp2(plain.text)) {
      return say('needs-plaintext', `${name} does not use TLS, but this client does: turn TLS off (--tls false)`);
    }
    return plain.text === '' ? silent(name, plain) : notGrpc(name, plain.text);
  }
  return secure.problem ?? (isHttp2(secure.heard.text) ? late(name) : tlsButNotGrpc(name, secure.heard));
}

/** The same for a proxy between this client and the server. */
export async function diagnoseProxy(proxy: string, address: ServerAddress): Promise<Diagnosis> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(proxy) ?? [];
  const { refused } = await hear(connect({ host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }), '');
  const what = refused
    ? `the proxy ${proxy} cannot be reached (${reasonOf(refused)})`
    : `the proxy ${proxy} does not connect to ${address.name}`;
  return say(
    'proxy',
    `${what}: correct grpc_proxy, https_proxy or http_proxy, or add the host to no_proxy to bypass it`,
  );
}

async function hearPlain({ host, port }: ServerAddress): Promise<Heard> {
  return hear(connect({ host: host!, port }), HELLO);
}

async function hearTls({ host, port, name }: ServerAddress, tls: DiagnosisTls | undefined) {
  const { ca, cert, key } = tls ?? { ca: null, cert: null, key: null };
  const socket: TLSSocket = connectTls({
    host: host!,
    port,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
    ...(isIP(host!) === 0 ? { servername: host! } : {}),
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
  });
  let isTls = false;
  let problem: Diagnosis | undefined;
  socket.once('secureConnect', () => {
    isTls = true;
    // Node.js sets a code here, whatever its types promise.
    const why = socket.authorizationError as Error | string | undefined;
    if (why) problem = untrusted(name, why);
  });
  const heard = await hear(socket, HELLO, 'secureConnect');
  const code = heard.failed?.code ?? '';
  // An alert comes from something that speaks TLS.
  if (/ALERT/.test(code)) isTls = true;
  if (isTls && /CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE/.test(code)) problem ??= unwelcome(name, cert !== null, code);
  // Servers in Node.js, such as ours, end the connection without an alert.
  if (isTls && cert && heard.isClosed && heard.text === '') problem ??= perhapsUnwelcome(name);
  if (/NO_APPLICATION_PROTOCOL/.test(code)) {
    problem ??= say('not-grpc', `${name} is not a gRPC server: it uses TLS, but not HTTP/2 over it: ${CHECK_ADDRESS}`);
  }
  return { heard, isTls, problem };
}

/** Sends `hello` once connected, and resolves to what comes back. Never rejects. */
function hear(socket: Socket, hello: Buffer | string, connected = 'connect'): Promise<Heard> {
  return new Promise((resolve) => {
    let isConnected = false;
    const finish = (heard: Partial<Heard>) => {
      clearTimeout(timer);
      resolve({ text: '', isClosed: false, ...heard });
      socket.destroy();
    };
    let timer = setTimeout(
      () => finish(isConnected ? {} : { refused: new Error('no connection in time') }),
      CONNECT_MS,
    );
    socket.once('connect', () => {
      isConnected = true;
      clearTimeout(timer);
      timer = setTimeout(() => finish({}), LISTEN_MS);
    });
    socket.once(connected, () => (hello === '' ? finish({}) : socket.write(hello)));
    socket.once('data', (chunk: Buffer) => finish({ text: chunk.toString('latin1') }));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(isConnected ? { failed: error, isClosed: true } : { refused: error }),
    );
    socket.once('close', () => finish({ isClosed: true }));
  });
}

function isHttp2(text: string): boolean {
  return text.length >= 9 && text.charCodeAt(3) === SETTINGS && text.slice(5, 9) === '\0\0\0\0';
}

/** Whether this is a TLS record, such as the alert about our hello: a type of 20 to 23, and version 3. */
function isTlsRecord(text: string): boolean {
  const [type = 0, version = 0] = Buffer.from(text.slice(0, 2), 'latin1');
  return type >= 20 && type <= 23 && version === 3;
}

function unreachable(error: NodeJS.ErrnoException): Diagnosis {
  return NO_SUCH_NAME.test(error.code ?? '')
    ? say('unknown-host', 'no server answers: cannot resolve its host name')
    : say('unreachable', `no server answers: ${reasonOf(error)}`);
}

function late(name: string): Diagnosis {
  return say('late', `no connection in time, but a server listens at ${name}: retry, or allow more time`);
}

/** A host with several addresses has an error for each. */
function reasonOf(error: Error): string {
  const errors = error instanceof AggregateError ? (error.errors as Error[]) : [error];
  return errors.map(({ message }) => message).join(', ');
}

function silent(name: string, { isClosed }: Heard): Diagnosis {
  const what = isClosed ? 'accepts connections and closes them at once' : 'accepts connections but sends nothing';
  return say('silent', `${name} ${what}: the server hangs, or something else listens there`);
}

function notGrpc(name: string, text: string): Diagnosis {
  const firstLine = text
    .split('\n')[0]!
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 60);
  const who = /^HTTP\/\d/.test(text) ? 'an HTTP/1 server' : /^-(ERR|NOAUTH)/.test(text) ? 'Redis' : 'something else';
  return say('not-grpc', `${name} is not a gRPC server but ${who} (it sent "${firstLine}"): ${CHECK_ADDRESS}`);
}

function tlsButNotGrpc(name: string, heard: Heard): Diagnosis {
  return heard.text === '' ? silent(name, heard) : notGrpc(name, heard.text);
}

function untrusted(name: string, why: Error | string): Diagnosis {
  const { code = String(why) } = Object(why) as { readonly code?: string };
  const says = UNTRUSTED[code] ?? `is not trusted (${code}): give the certificate of its CA (--tls-ca)`;
  return say('certificate', `the certificate of ${name} ${says}`);
}

function unwelcome(name: string, hasCertificate: boolean, code: string): Diagnosis {
  return say(
    'certificate',
    hasCertificate
      ? `${name} rejects the client certificate (${code}): use one of an authority that it trusts`
      : `${name} requires a client certificate: give one, and its key (--tls-cert and --tls-key)`,
  );
}

function perhapsUnwelcome(name: string): Diagnosis {
  return say(
    'certificate',
    `${name} closes the connection after receiving the client certificate: use one that has not expired and is from a ` +
      'CA that it trusts; its log says why',
  );
}

function say(problem: ConnectionProblem, message: string): Diagnosis {
  return { problem, message };
}
