import type { ClientHttp2Stream } from 'node:http2';
import { expect, it, vi } from 'vitest';
import { HealthCheckRequest } from '../../../../src/wire/gen/grpc/health/v1/health.ts';
import { ServerReflectionRequest } from '../../../../src/wire/gen/grpc/reflection/v1/reflection.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { framed, HostileClient } from '../../../support/network/hostile-client.ts';

import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';

const MIB = 1024 * 1024;
/** Memory above what the server uses without this client: while it is connected, and soon after it left. */
const MAX_MORE_MIB = 64;
const MAX_LEFT_MIB = 32;
/** The bound of what has come in, and what moves it. */
const MAX_UNFINISHED_MIB = 160;
const BATCH = '/orders.v1.OrderNumberService/BatchAllocateOrders';
const SENT_BYTES = 22_700_000;
const QUESTION = framed(
  ServerReflectionRequest.encode({
    host: '',
    messageRequest: { $case: 'fileContainingSymbol', value: 'orders.v1.OrderNumberService' },
  }).finish(),
);
const HEALTH = framed(HealthCheckRequest.encode({ service: '' }).finish());

/** What a client that takes no answer sends: on how many streams, and how often on each. */
const FLOODS: readonly (readonly [what: string, path: string, message: Buffer, streams: number, times: number])[] = [
  ['questions of reflection v1', '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', QUESTION, 1, Infinity],
  ['of reflection v1alpha', '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', QUESTION, 1, Infinity],
  [
    'of reflection on many streams',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    QUESTION,
    1000,
    Infinity,
  ],
  ['watches of health', '/grpc.health.v1.Health/Watch', HEALTH, 1000, 1],
];

it('a client that reads no answer costs little memory, and soon none after it left', async () => {
  const { address, memory, client } = await serve();
  for (const [what, path, message, streams, times] of FLOODS) {
    const before = await memory();
    const hostile = await HostileClient.connect(address, { takesNothing: true });
    const open = Array.from({ length: streams }, () => hostile.open({}, path));
    const chunk = Buffer.concat(Array.from({ length: Math.min(times, 400) }, () => message));
    const each = times === 1 ? chunk.length : SENT_BYTES / streams;
    for (const stream of open) write(stream, chunk, each);
    const most = await mostUntilQuiet(hostile, memory);
    expect([what, (most - before) / MIB]).toEqual([what, expect.toSatisfy((more: number) => more < MAX_MORE_MIB)]);
    hostile.session.destroy();
    await vi.waitFor(
      async () => {
        const left = ((await memory()) - before) / MIB;
        expect([what, left]).toEqual([what, expect.toSatisfy((more: number) => more < MAX_LEFT_MIB)]);
      },
      { interval: 200 },
    );
    expect((await client.allocate(7n)).replayed).toBe(false);
  }
});

it('1000 batches of 256 KiB that never end cost little memory, and keep no other batch from being served', async () => {
  const { address, memory, client } = await serve();
  const before = await memory();
  const unfinished = framed(Buffer.alloc(256 * 1024 - 64)).subarray(0, -1);
  for (const round of [1, 2]) {
    const hostiles = await Promise.all(Array.from({ length: 4 }, () => HostileClient.connect(address)));
    let cut = 0;
    for (const hostile of hostiles) {
      for (let i = 0; i < 250; i++) {
        const stream = hostile.open({}, BATCH);
        stream.on('close', () => cut++);
        stream.write(unfinished);
      }
    }
    const most = await mostUntilQuiet(hostiles[0]!, memory);
    const more = (most - before) / MIB;
    expect([round, more]).toEqual([round, expect.toSatisfy((mib: number) => mib < MAX_UNFINISHED_MIB)]);
    expect([round, cut]).toEqual([round, expect.toSatisfy((streams: number) => streams > 500)]);
    // Larger than what is left below the bound.
    const large = Array.from({ length: 1000 }, (_, i) => ({ requestId: `${round} ${i}`.padEnd(128, 'x') }));
    expect(await client.batch(...large)).toHaveLength(1000);
    for (const { session } of hostiles) session.destroy();
  }
});

/** Writes this many bytes as fast as they are read: Node.js gives up a stream with too much to write. */
function write(stream: ClientHttp2Stream, chunk: Buffer, bytes: number): void {
  if (bytes <= 0 || stream.destroyed) return;
  if (stream.write(chunk)) write(stream, chunk, bytes - chunk.length);
  else stream.once('drain', () => write(stream, chunk, bytes - chunk.length));
}

/** The most memory in use until nothing more is sent, or the connection is gone, for a while. */
async function mostUntilQuiet({ session }: HostileClient, memory: () => Promise<number>): Promise<number> {
  let most = 0;
  let sent = -1;
  let quietLooks = 0;
  await vi.waitUntil(
    async () => {
      const now = await memory();
      const sentNow = session.destroyed ? sent : session.socket.bytesWritten;
      quietLooks = sentNow !== sent || now > most + MIB ? 0 : quietLooks + 1;
      sent = sentNow;
      most = Math.max(most, now);
      return quietLooks === 6;
    },
    { interval: 100 },
  );
  return most;
}

/** A server in ordinary use. */
async function serve() {
  const ledger = `${testFolder()}/orders.db`;
  const server = new ServerProcess(ledger);
  const { grpc, metrics } = await server.line('serving');
  const client = new GrpcClient(String(grpc));
  for (let i = 0; i < 8; i++) await Promise.all(Array.from({ length: 1000 }, () => client.allocate(7n)));
  const memory = async () => {
    const page = await (await fetch(`http://${String(metrics)}/metrics`)).text();
    return Number(/^process_resident_memory_bytes (\S+)/m.exec(page)?.[1]);
  };
  return { address: String(grpc), client, memory };
}
