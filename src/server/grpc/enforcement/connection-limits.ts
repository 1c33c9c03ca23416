import type { IncomingHttpHeaders, ServerHttp2Session } from 'node:http2';
import { constants } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { MAX_HEADER_BYTES } from '../../limits.ts';
import { http2ServersOf } from '../library-inside.ts';
import { CallWindows } from './call-windows.ts';
import { MessageWait } from './message-wait.ts';
import { OpenStreams } from './open-streams.ts';
import { UnsentLimit } from './unsent-limit.ts';

/** Pings that a client may send while nothing else happens on its connection. */
const MAX_IDLE_PINGS = 20;
/** Each of this many milliseconds gives back one of them; gRPC clients ping every 10 s at most. */
const PING_REFILL_MS = 5_000;
/** An answer to a ping takes 17 bytes; more than this was sent for something else. */
const PING_ANSWER_BYTES = 32;
/** Timers take no more than 2^31-1 ms: a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** As grpc-js reads the header, which is more than the protocol allows. */
const GRPC_TIMEOUT = /(\d{1,8})\s*([HMSmun])/;
/** The units of the header grpc-timeout, in milliseconds. */
const TIMEOUT_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * Bounds what grpc-js leaves unbounded and has no option for: header size, waits for messages, pings, calls of many
 * connections, answers that are not read, and deadlines further away than a timer reaches. Call it once the server's
 * injector exists.
 */
export function limitConnections(server: Server): void {
  const open = new OpenStreams(new UnsentLimit(), new MessageWait());
  const windows = new CallWindows();
  for (const http2Server of http2ServersOf(server)) {
    windows.watch(http2Server);
    open.watch(http2Server);
    http2Server.on('session', limitSession);
    http2Server.prependListener('stream', (_stream, headers) => limitTimeout(headers));
  }
}

function limitSession(session: ServerHttp2Session): void {
  session.settings({ maxHeaderListSize: MAX_HEADER_BYTES });
  let allowance = MAX_IDLE_PINGS;
  let lastPing = performance.now();
  let sentBefore = 0;
  let answersSince = 0;
  let closing = false;
  session.on('ping', () => {
    const now = performance.now();
    allowance = Math.min(MAX_IDLE_PINGS, allowance + (now - lastPing) / PING_REFILL_MS) - 1;
    lastPing = now;
    answersSince++;
    // Clients measure the bandwidth with pings while data flows, which is no abuse.
    const sent = session.socket.bytesWritten;
    if (sent - sentBefore > answersSince * PING_ANSWER_BYTES) {
      allowance = MAX_IDLE_PINGS;
      sentBefore = sent;
      answersSince = 0;
    }
    if (allowance >= 0 || closing) return;
    closing = true;
    session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'));
    setImmediate(() => session.destroy());
  });
}

function limitTimeout(headers: IncomingHttpHeaders): void {
  const [, amount, unit] = GRPC_TIMEOUT.exec(String(headers['grpc-timeout'])) ?? [];
  if (unit === undefined) return;
  if (Number(amount) * (TIMEOUT_UNITS[unit] ?? 0) > MAX_TIMEOUT_MS)
    headers['grpc-timeout'] = `${Math.trunc(MAX_TIMEOUT_MS / 1000)}S`;
}
