import type { Random } from '../../frame/random.ts';
import {
  callHeaders,
  FLAG,
  frame,
  FRAME,
  ping,
  PREFACE,
  reset,
  settings,
  windowUpdate,
} from '../../hostile/attacks/frames.ts';
import { RawConnection } from '../../hostile/attacks/raw-connection.ts';
import { bytesOf, printBytes, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateBytes } from '../mutate/bytes.ts';
import { mutateText } from '../mutate/text.ts';
import type { WireServer } from './wire-server.ts';

/** A server that says nothing for this long waits for more. */
const QUIET_MS = 30;
const HTTP_WORDS = [
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: ',
  '0\r\n\r\n',
  '\r\n',
  'HTTP/1.1',
  'Expect: 100-continue\r\n',
];

/** Everything that a client of HTTP/2 sends behind its preface. */
export function http2Target(server: WireServer): FuzzTarget<Buffer> {
  return {
    name: 'HTTP/2 frames over the wire',
    seeds: [...bytesOf('http2-frames'), ...framesOfEachKind()],
    mutate: mutateFrames,
    print: (input) => `- ${printBytes(input)}`,
    check: async (input) => {
      const received = await sent(server.grpc, Buffer.concat([PREFACE, settings(), input]));
      return kindsOf(received);
    },
    settle: () => server.check(),
  };
}

/** Requests of HTTP/1, whose text is changed. */
export function http1Target(server: WireServer): FuzzTarget<string> {
  return {
    name: 'HTTP/1 requests over the wire',
    seeds: textsOf('http1-requests'),
    mutate: (input, other, random) => mutateText(input, other, random, HTTP_WORDS),
    print: (input) => `- ${JSON.stringify(input)}`,
    check: async (input) => {
      const received = (await sent(server.http, Buffer.from(input, 'latin1'))).toString('latin1');
      const codes = Array.from(received.matchAll(/^HTTP\/1\.1 (\d+)/gm), ([, code]) => code!);
      if (codes.some((code) => code.startsWith('5'))) throw new Error(`the server answered ${codes.join(', ')}`);
      return codes.slice(0, 3).join(' ');
    },
    settle: () => server.check(),
  };
}

function framesOfEachKind(): readonly Buffer[] {
  const call = callHeaders('/orders.v1.OrderNumberService/AllocateOrder');
  const { DATA, HEADERS, CONTINUATION, PRIORITY, PUSH_PROMISE, GOAWAY } = FRAME;
  const data = Buffer.from('00000000020807', 'hex');
  return [
    Buffer.concat([frame(HEADERS, FLAG.END_HEADERS, 1, call), frame(DATA, FLAG.END_STREAM, 1, data)]),
    Buffer.concat([
      frame(HEADERS, 0, 1, call.subarray(0, 20)),
      frame(CONTINUATION, FLAG.END_HEADERS, 1, call.subarray(20)),
    ]),
    Buffer.concat([frame(HEADERS, FLAG.END_HEADERS, 1, call), reset(1), windowUpdate(0, 1), ping()]),
    Buffer.concat([frame(PRIORITY, 0, 3, Buffer.alloc(5)), frame(GOAWAY, 0, 0, Buffer.alloc(8))]),
    Buffer.concat([settings([1, 0], [4, 0], [5, 16_384]), frame(PUSH_PROMISE, FLAG.END_HEADERS, 1, call)]),
  ];
}

/** Mostly frame by frame. */
function mutateFrames(input: Uint8Array, other: Uint8Array, random: Random): Buffer {
  const frames = splitFrames(Buffer.from(input));
  if (frames.length === 0 || random.chance(0.3)) return mutateBytes(input, other, random);
  const at = random.below(frames.length);
  const one = Buffer.from(frames[at]!);
  switch (random.below(7)) {
    case 0:
      return Buffer.concat(frames.toSpliced(at, 1));
    case 1:
      return Buffer.concat(frames.toSpliced(at, 0, one));
    case 2:
      return Buffer.concat(frames.toSpliced(at, 0, ...splitFrames(Buffer.from(other))));
    case 3:
      one[3] = random.below(12);
      break;
    case 4:
      one[4] = random.below(256);
      break;
    case 5:
      one.writeUInt32BE(random.pick([0, 1, 2, 3, 5, 0x7fff_ffff, 0x8000_0001]), 5);
      break;
    default:
      one.set(mutateBytes(one.subarray(9), one, random).subarray(0, one.length - 9), 9);
  }
  return Buffer.concat(frames.with(at, one));
}

function splitFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

/** The types of the frames in an answer, and the codes of its GOAWAY and RST_STREAM. */
function kindsOf(received: Buffer): string {
  const kinds = splitFrames(received).map((one) => {
    const hasCode = one[3] === FRAME.GOAWAY || one[3] === FRAME.RST_STREAM;
    return hasCode ? `${one[3]}:${one[(one[3] === FRAME.GOAWAY ? 7 : 3) + 9]}` : String(one[3]);
  });
  return [...new Set(kinds)].slice(0, 6).join(' ');
}

/** What the server answers until it closes the connection, or says no more. */
async function sent(address: string, bytes: Buffer): Promise<Buffer> {
  const connection = await RawConnection.open(address);
  if (!connection) throw new Error('the server takes no connection');
  const chunks: Buffer[] = [];
  connection.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  connection.socket.write(bytes);
  for (let before = -1; before !== connection.received && !connection.isClosed;) {
    before = connection.received;
    await connection.closed(QUIET_MS);
  }
  connection.destroy();
  return Buffer.concat(chunks);
}
