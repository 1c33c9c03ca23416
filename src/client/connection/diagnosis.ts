import type { Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import type { ServerAddress } from './address.ts';

/** Why no connection comes about. */
export type ConnectionProblem =
  /** Nothing listens there, or it cannot be reached. */
  | 'unreachable'
  /** The name of its host is not known. */
  | 'unknown-host'
  /** A server answers, but the time was too short for a connection. */
  | 'late'
  /** Something accepts connections and says nothing on them. */
  | 'silent'
  | 'needs-tls'
  | 'needs-plaintext'
  | 'certificate'
  | 'not-grpc'
  | 'proxy';

/** What a look at the server's port has shown. */
export interface Diagnosis {
  readonly problem: ConnectionProblem;
  /** A sentence without its end, with what to do. */
  readonly message: string;
}

/** PEM texts, as the client has them; undefined without TLS. */
export interface DiagnosisTls {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
}

/** How long to wait for a connection, and on it for a first word. */
const CONNECT_MS = 1_000;
const LISTEN_MS = 500;
/** What an HTTP/2 client says first: its preface and empty SETTINGS. The server answers with its own SETTINGS. */
const HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1');
const SETTINGS = 4;
const CHECK_ADDRESS = 'check the host and the port of the server';
const NO_SUCH_NAME = /^(ENOTFOUND|EAI_)/;

/** What was heard on one connection. */
interface Heard {
  /** Undefined if a connection was made. */
  readonly refused?: NodeJS.ErrnoException;
  /** The first bytes, as Latin-1. */
  readonly text: string;
  /** What went wrong after the connection was made. */
  readonly failed?: NodeJS.ErrnoException;
  readonly isClosed: boolean;
}

/**
 * Looks at what listens at an address to which no connection could be made: on a connection of its own, with and
 * without TLS, in less than a second. Undefined for a socket in the file system. No call and no token is sent.
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
      return say('needs-tls', `${name} speaks TLS, and this client does not: turn TLS on (--tls or --tls-ca)`);
    }
    return plain.text === '' ? silent(name, plain) : notGrpc(name, plain.text);
  }
  if (!answersTls) {
    if (isHttp2(plain.text)) {
      return say('needs-plaintext', `${name} speaks no TLS, and this client does: turn TLS off (--tls false)`);
    }
    return plain.text === '' ? silent(name, plain) : notGrpc(name, plain.text);
  }
  return secure.problem ?? (isHttp2(secure.heard.text) ? late(name) : tlsButNotGrpc(name, secure.heard));
}

/** The same of a proxy between this client and the server. */
export async function diagnoseProxy(proxy: string, address: ServerAddress): Promise<Diagnosis> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(proxy) ?? [];
  const { refused } = await hear(connect({ host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }), '');
  const what = refused
    ? `the proxy ${proxy} cannot be reached (${reasonOf(refused)})`
    : `the proxy ${proxy} does not connect to ${address.name}`;
  return say(
    'proxy',
    `${what}: correct grpc_proxy, https_proxy or http_proxy, or name the host in no_proxy to go without it`,
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
    // Node.js says it by a code, whatever its types promise.
    const why = socket.authorizationError as Error | string | undefined;
    if (why) problem = untrusted(name, why);
  });
  const heard = await hear(socket, HELLO, 'secureConnect');
  const code = heard.failed?.code ?? '';
  // An alert comes from something that speaks TLS.
  if (/ALERT/.test(code)) isTls = true;
  if (isTls && /CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE/.test(code)) problem ??= unwelcome(name, cert !== null, code);
  if (/NO_APPLICATION_PROTOCOL/.test(code)) {
    problem ??= say('not-grpc', `${name} is no gRPC server: it speaks TLS, but not HTTP/2 on it: ${CHECK_ADDRESS}`);
  }
  return { heard, isTls, problem };
}

/** Says `hello` once connected, and resolves to what comes back. Never rejects. */
function hear(socket: Socket, hello: Buffer | string, connected = 'connect'): Promise<Heard> {
  return new Promise((resolve) => {
    let isConnected = false;
    const finish = (heard: Partial<Heard>) => {
      clearTimeout(timer);
      resolve({ text: '', isClosed: false, ...heard });
      socket.destroy();
    };
    let timer = setTimeout(
      () => finish(isConnected ? {} : { refused: new Error('there was no connection in time') }),
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

/** Such as the alert about our hello: a type of 20 to 23, and version 3. */
function isTlsRecord(text: string): boolean {
  const [type = 0, version = 0] = Buffer.from(text.slice(0, 2), 'latin1');
  return type >= 20 && type <= 23 && version === 3;
}

function unreachable(error: NodeJS.ErrnoException): Diagnosis {
  return NO_SUCH_NAME.test(error.code ?? '')
    ? say('unknown-host', 'no server answers: the name of its host is not known')
    : say('unreachable', `no server answers: ${reasonOf(error)}`);
}

function late(name: string): Diagnosis {
  return say('late', `there was no connection in time, but a server is at ${name}: try again, or allow more time`);
}

/** A host with several addresses has an error for each. */
function reasonOf(error: Error): string {
  const errors = error instanceof AggregateError ? (error.errors as Error[]) : [error];
  return errors.map(({ message }) => message).join(', ');
}

function silent(name: string, { isClosed }: Heard): Diagnosis {
  const what = isClosed ? 'accepts connections and closes them at once' : 'accepts connections and says nothing';
  return say('silent', `${name} ${what}: the server hangs, or something else listens there`);
}

function notGrpc(name: string, text: string): Diagnosis {
  const firstLine = text
    .split('\n')[0]!
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 60);
  const who = /^HTTP\/\d/.test(text) ? 'an HTTP/1 server' : /^-(ERR|NOAUTH)/.test(text) ? 'Redis' : 'something else';
  return say('not-grpc', `${name} is no gRPC server but ${who} (it says "${firstLine}"): ${CHECK_ADDRESS}`);
}

function tlsButNotGrpc(name: string, heard: Heard): Diagnosis {
  return heard.text === '' ? silent(name, heard) : notGrpc(name, heard.text);
}

function untrusted(name: string, why: Error | string): Diagnosis {
  const { code = String(why) } = Object(why) as { readonly code?: string };
  return say(
    'certificate',
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? `the certificate of ${name} is for another name: use the name that it is for`
      : `the certificate of ${name} is not trusted (${code}): give the certificate of its authority (--tls-ca)`,
  );
}

function unwelcome(name: string, hasCertificate: boolean, code: string): Diagnosis {
  return say(
    'certificate',
    hasCertificate
      ? `${name} does not accept the certificate of this client (${code}): use one of an authority that it trusts`
      : `${name} asks for a certificate of this client: give one, and its key (--tls-cert and --tls-key)`,
  );
}

function say(problem: ConnectionProblem, message: string): Diagnosis {
  return { problem, message };
}
