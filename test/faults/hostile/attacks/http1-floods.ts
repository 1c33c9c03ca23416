import { gzipSync } from 'node:zlib';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../frame/random.ts';
import type { Attack, Target } from './attack.ts';
import { ATTACK_STORE, attackKey, times } from './attack.ts';
import { pause, RawConnection } from './raw-connection.ts';

const PATH = '/api/generateOrderNumber';
const JSON_TYPE = 'Content-Type: application/json\r\n';

/** Requests that arrive byte by byte, in their headers or in their body. */
const slowloris: Attack = async (target) => {
  for (;;) {
    const open = await Promise.all(Array.from({ length: 500 }, () => RawConnection.open(target.http)));
    const starts = [`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nX: `, order(0).slice(0, -5)];
    for (const [i, connection] of open.entries()) await connection?.send(Buffer.from(starts[i % starts.length]!));
    for (let byte = 0; byte < 100; byte++) {
      for (const connection of open) if (connection && !connection.isClosed) connection.socket.write(' ');
      target.did(open.length);
      await delay(100);
    }
    for (const connection of open) connection?.destroy();
  }
};

/** Thousands of requests on one connection, whose answers nobody reads. */
const pipelining: Attack = async (target) => {
  for (let key = 0; ;) {
    const connection = await RawConnection.open(target.http, { reads: false });
    for (let i = 0; i < 20; i++) {
      const requests = Array.from({ length: 500 }, () => order(key++));
      if (!(await connection?.send(Buffer.from(requests.join(''))))) break;
      target.did(requests.length);
    }
    await connection?.closed(500);
    connection?.destroy();
    await pause();
  }
};

/** Bodies in chunks that end too early, never, or are none. */
const CHUNKS = [
  ['zz\r\n{"store_id":99}\r\n0\r\n\r\n'],
  ['-1\r\n{}\r\n0\r\n\r\n'],
  ['ffffffffffffffff\r\n{}\r\n0\r\n\r\n'],
  ['f\r\n{"store_id":99}0\r\n\r\n'],
  ['f;', `${'x'.repeat(20_000)}\r\n{"store_id":99}\r\n0\r\n\r\n`],
  ['0\r\n', `X: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['1\r\n \r\n'.repeat(70_000), '0\r\n\r\n'],
  ['0x1\r\n \r\n0\r\n\r\n'],
] as const;

const badChunks: Attack = (target) =>
  onceEach(target, (i) => [
    `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`,
    ...CHUNKS[i % CHUNKS.length]!,
  ]);

/** Bodies that say that they are compressed: 50 MB in 50 KB. */
const compressedBodies: Attack = (target) => {
  const body = gzipSync(Buffer.concat([Buffer.from('{"store_id":99,"x":"'), Buffer.alloc(50_000_000, 'x')]));
  return onceEach(target, (i) => {
    const path = i % 2 === 0 ? PATH : '/orders.v1.OrderNumberService/AllocateOrder';
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}Content-Encoding: gzip\r\n`;
    return [`${head}Content-Length: ${body.length}\r\n\r\n`, body];
  });
};

/** Any bytes, and requests with some of their bytes changed. */
const garbage: Attack = (target) => {
  const random = new Random(target.seed);
  return onceEach(target, (i) => {
    const bytes = Buffer.from(i % 3 === 0 ? 'x'.repeat(200) : order(i));
    for (let left = random.between(1, 8); left > 0; left--) bytes[random.below(bytes.length)] = random.below(256);
    return [bytes];
  });
};

export const HTTP1_FLOODS: Readonly<Record<string, Attack>> = {
  slowloris: times(2, slowloris),
  'pipelined requests': times(4, pipelining),
  'bad chunks': times(4, badChunks),
  'compressed bodies': times(4, compressedBodies),
  'malformed requests': times(4, garbage),
};

async function onceEach(target: Target, partsOf: (i: number) => readonly (string | Buffer)[]): Promise<void> {
  for (let i = 0; ; i++) {
    const connection = await RawConnection.open(target.http);
    await connection?.send(...partsOf(i).map((part) => Buffer.from(part as string)));
    target.did(1);
    await connection?.closed(20);
    connection?.destroy();
    if (!connection) await pause();
  }
}

function order(i: number): string {
  const body = `{"store_id":${ATTACK_STORE}}`;
  const head = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}Idempotency-Key: ${attackKey(i)}\r\n`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}
