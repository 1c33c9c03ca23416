import type { Http2Session, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { OrderError } from '../../core/errors.ts';
import type { Peer } from '../address.ts';
import { peerOf } from '../address.ts';
import type { Call, CalledMethod, DoorContext, Transport } from '../calls.ts';
import { CallDoor } from '../calls.ts';
import type { ClientCertificate } from '../security/client-certificate.ts';
import { clientCertificateOf, validCertificateOf } from '../security/client-certificate.ts';
import type { Credentials } from '../security/principal.ts';
import type { TraceHeaders } from '../tracing/trace-headers.ts';
import { traceHeadersOf } from '../tracing/trace-headers.ts';
import { http2ServersOf, streamOf, takeStreams } from './library-inside.ts';
import { IncomingLimit } from './enforcement/incoming-limit.ts';
import { toStatus } from './status.ts';

/** A call whose headers have arrived, and its credentials: one object for both, because each call has one. */
class Arrival implements Credentials {
  readonly authorization: string | undefined;
  readonly peer: Peer;
  readonly session: Http2Session;
  readonly trace: TraceHeaders | undefined;

  constructor(authorization: string | undefined, peer: Peer, session: Http2Session, trace: TraceHeaders | undefined) {
    this.authorization = authorization;
    this.peer = peer;
    this.session = session;
    this.trace = trace;
  }

  certificate(): ClientCertificate | undefined {
    return validCertificateOf(this.session.socket);
  }
}

/** Where a stream keeps its admitted call. */
const ENTERED = Symbol('entered');
/** Where a session caches its peer. */
const PEER = Symbol('peer');

interface EnteredStream extends ServerHttp2Stream {
  [ENTERED]?: Call<Arrival>;
}

interface KnownSession extends Http2Session {
  [PEER]?: Peer;
}

const GRPC: Transport<Arrival> = {
  name: 'grpc',
  peerOf: ({ peer }) => peer,
  connectionOf: ({ session }) => session,
  credentialsOf: (arrival) => arrival,
  traceOf: ({ trace }) => trace,
};

/**
 * Admits or refuses calls of these methods, by their paths, as soon as their headers have arrived and before any of
 * their messages is read. Other calls, such as those of health, pass. Call it once the server's injector exists.
 */
export function guardCalls(server: Server, methods: ReadonlyMap<string, CalledMethod>, context: DoorContext): void {
  const incoming = new IncomingLimit();
  const doors = new Map([...methods].map(([path, method]) => [path, new CallDoor(GRPC, method, context, path)]));
  for (const http2Server of http2ServersOf(server)) {
    http2Server.on('session', closeWithCertificate);
    const answer = takeStreams(http2Server);
    http2Server.on('stream', (stream: EnteredStream, headers: IncomingHttpHeaders) => {
      const { authorization } = headers;
      // The library must not see a token, because it logs headers that it cannot read.
      if (authorization !== undefined) headers.authorization = undefined;
      const door = isGrpc(headers) ? doors.get(String(headers[':path'])) : undefined;
      if (door && !enter(stream, door, authorization, headers)) return;
      if (isCompressed(headers)) return refuseCompressed(stream);
      if (door?.method.isBatch) incoming.watch(stream);
      answer(stream, headers);
    });
  }
}

/** Gracefully: calls that have begun are answered, and the client makes the next ones on a new connection. */
function closeWithCertificate(session: Http2Session): void {
  const ended = clientCertificateOf(session.socket)?.ended;
  if (ended?.aborted) session.close();
  else ended?.addEventListener('abort', () => session.close(), { once: true });
}

/** Whether a call is admitted; if not, it has been refused. */
function enter(
  stream: EnteredStream,
  door: CallDoor<Arrival>,
  authorization: string | undefined,
  headers: IncomingHttpHeaders,
): boolean {
  const session: KnownSession | undefined = stream.session;
  if (!session || session.destroyed || stream.destroyed) {
    stream.on('error', () => {});
    return false;
  }
  const peer = (session[PEER] ??= peerOf(session.socket));
  const call = door.begin(new Arrival(authorization, peer, session, traceHeadersOf(headers)));
  try {
    call.admit();
  } catch (thrown) {
    const error = call.refusalOf(thrown);
    refuse(stream, error);
    if (call.turnedAway(error)) closeUnlessTrusted(session, door.context);
    return false;
  }
  stream[ENTERED] = call;
  return true;
}

/** Closes a connection gracefully, unless one of the calls that came together with this one is admitted. */
function closeUnlessTrusted(session: Http2Session, { failedAttempts }: DoorContext): void {
  setImmediate(() => failedAttempts.isTrusted(session) || session.close());
}

/** The admitted call of a handler. Throws for a method that is not checked here. */
export function enteredBy(rpc: object): Call<Arrival> {
  const entered = (streamOf(rpc) as EnteredStream)[ENTERED];
  if (!entered) throw new Error('a call has bypassed the entrance');
  return entered;
}

/** The library refuses other content types. */
function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers['content-type']?.startsWith('application/grpc') ?? false;
}

function isCompressed({ 'grpc-encoding': encoding = 'identity' }: IncomingHttpHeaders): boolean {
  return encoding !== 'identity';
}

/**
 * The library would decompress every message of a call at once: a frame of 16 KiB may have 60 of them, each with more
 * than a hundred thousand requests.
 */
function refuseCompressed(stream: EnteredStream): void {
  const error = new OrderError('REQUEST_MALFORMED', 'the message is compressed; send it without compression');
  refuse(stream, error, { 'grpc-status': status.UNIMPLEMENTED, 'grpc-accept-encoding': 'identity' });
  stream[ENTERED]?.refused(error);
}

/** Answers with a status only, that of the error unless `others` has one, and reads nothing more of the call. */
function refuse(stream: ServerHttp2Stream, error: OrderError, others: OutgoingHttpHeaders = {}): void {
  // The client may leave at any time.
  stream.on('error', () => {});
  const { code, details, metadata } = toStatus(error, false);
  const answer = { 'grpc-status': code, 'grpc-message': encodeURI(details), ...metadata.toHttp2Headers(), ...others };
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto', ...answer }, { endStream: true });
  // Drops what still arrives, and ends a stream whose client does not. A reset in this turn would replace the answer.
  stream.resume();
  setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
}
