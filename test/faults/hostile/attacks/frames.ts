// Frames of HTTP/2 (RFC 9113) as bytes, right or wrong.

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** The largest payload that a server takes unless it says otherwise. */
export const MAX_PAYLOAD = 16_384;

/** A frame whose length is that of its payload, unless another one is given. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length?: number,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE((length ?? payload.length) & 0xff_ffff, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [i, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

export function ping(): Buffer {
  return frame(FRAME.PING, 0, 0, Buffer.alloc(8));
}

export function reset(stream: number): Buffer {
  return frame(FRAME.RST_STREAM, 0, stream, uint32(8));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(FRAME.WINDOW_UPDATE, 0, stream, uint32(increment));
}

/** Header fields without compression. */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), ...text(name), ...text(value)]));
}

/** The fields of a call of gRPC. */
export function callHeaders(path: string, more: readonly (readonly [string, string])[] = []): Buffer {
  return headerBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...more,
  ]);
}

/** A message of gRPC with its prefix. */
export function message(bytes: Uint8Array, isCompressed = false): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = Number(isCompressed);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

function text(value: string): Buffer[] {
  const bytes = Buffer.from(value);
  if (bytes.length < 127) return [Buffer.of(bytes.length), bytes];
  const length = [127];
  for (let rest = bytes.length - 127; ; rest >>>= 7) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return [Buffer.from(length), bytes];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
