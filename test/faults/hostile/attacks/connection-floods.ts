import { randomBytes } from 'node:crypto';
import type { Attack, Target } from './attack.ts';
import { SERVICE, times } from './attack.ts';
import { callHeaders, FLAG, frame, FRAME, message, PREFACE } from './frames.ts';
import { pause, RawConnection } from './raw-connection.ts';

/** As many as a server takes from all networks together. */
const MANY = 10_000;
const AT_ONCE = 100;

/** Connections that say nothing, or half of what they should, and stay. */
const halfOpen: Attack = (target) => held(target, 2000, [Buffer.alloc(0), PREFACE.subarray(0, 10), PREFACE]);

const tenThousand: Attack = (target) => held(target, MANY, [PREFACE]);

/** Connections that come and go. */
const churn: Attack = async (target) => {
  for (;;) {
    const open = await Promise.all(Array.from({ length: 50 }, () => RawConnection.http2(target.grpc)));
    target.did(open.length);
    for (const connection of open) connection?.destroy();
  }
};

/** Calls with tokens that were never given out, over both carriers. */
const wrongTokens: Attack = async (target) => {
  for (;;) {
    const connection = await RawConnection.http2(target.grpc);
    const calls = Array.from({ length: 20 }, (_, i) => [
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 2 * i + 1, wrongCall()),
      frame(FRAME.DATA, FLAG.END_STREAM, 2 * i + 1, message(Buffer.of(8, 99))),
    ]);
    await connection?.send(...calls.flat());
    const web = await RawConnection.open(target.http);
    await web?.send(Buffer.from(Array.from({ length: 20 }, wrongRequest).join('')));
    target.did(40);
    await Promise.all([connection?.closed(20), web?.closed(20)]);
    connection?.destroy();
    web?.destroy();
  }
};

/** Handshakes that are none, that stop after their first message, and that come and go. */
const handshakes: Attack = async (target) => {
  const starts = [
    Buffer.alloc(600, 0xaa),
    Buffer.from('16030100c8010000c40303', 'hex'),
    Buffer.of(0x16),
    Buffer.alloc(0),
  ];
  for (let i = 0; ; i++) {
    const open = await Promise.all(
      Array.from({ length: 50 }, (_, at) => RawConnection.open(at % 2 === 0 ? target.grpc : target.http)),
    );
    for (const connection of open) await connection?.send(starts[i % starts.length]!);
    target.did(open.length);
    await open[0]?.closed(20);
    for (const connection of open) connection?.destroy();
  }
};

export const CONNECTION_FLOODS: Readonly<Record<string, Attack>> = {
  'half-open connections': halfOpen,
  '10,000 connections': tenThousand,
  'connections that come and go': times(2, churn),
};

/** Need a server with tokens. */
export const TOKEN_FLOODS: Readonly<Record<string, Attack>> = { 'wrong tokens': times(4, wrongTokens) };

/** Need a server with TLS. */
export const HANDSHAKE_FLOODS: Readonly<Record<string, Attack>> = { 'handshakes without an end': times(4, handshakes) };

async function held(target: Target, count: number, starts: readonly Buffer[]): Promise<void> {
  const open: RawConnection[] = [];
  for (let i = 0; ; i++) {
    if (open.length >= count) {
      for (const connection of open.splice(0, AT_ONCE)) connection.destroy();
    }
    const more = await Promise.all(Array.from({ length: AT_ONCE }, () => RawConnection.open(target.grpc)));
    for (const connection of more) {
      if (!connection) continue;
      open.push(connection);
      const start = starts[open.length % starts.length]!;
      if (start.length > 0) connection.socket.write(start);
    }
    target.did(AT_ONCE);
    await pause();
  }
}

/** Looks like a token of this service. */
function wrongToken(): string {
  return `ordn_${randomBytes(40).toString('hex').slice(0, 49)}`;
}

function wrongCall(): Buffer {
  return callHeaders(`${SERVICE}/AllocateOrder`, [['authorization', `Bearer ${wrongToken()}`]]);
}

function wrongRequest(): string {
  return `POST /api/generateOrderNumber HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${wrongToken()}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"store_id":99}`;
}
