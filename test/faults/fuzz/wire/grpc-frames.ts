import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { corpusOf, printBytes } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateBytes } from '../mutate/bytes.ts';
import { mutateProtobuf } from '../mutate/protobuf.ts';
import type { WireServer } from './wire-server.ts';

const SERVICE = '/orders.v1.OrderNumberService/';
const PREFIX_BYTES = 5;
/** What the server may not say about a bad message. */
const FAULTS: ReadonlySet<number> = new Set([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS, status.UNAVAILABLE]);

/** What a client of gRPC sends on the stream of a call: a method, and a message behind its prefix, or several. */
export interface GrpcInput {
  readonly method: string;
  readonly data: Buffer;
}

export function grpcFrameTarget(server: WireServer): FuzzTarget<GrpcInput> {
  const session = new Sessions(server.grpc);
  const corpus = corpusOf('protobuf-requests').filter(({ name }) => !name.startsWith('Watch'));
  return {
    name: 'gRPC frames over the wire',
    seeds: corpus.map(({ name, value }) => ({ method: name, data: framed(Buffer.from(value, 'hex')) })),
    mutate({ method, data }, other, random) {
      if (random.chance(0.1)) return { method: other.method, data };
      if (random.chance(0.5)) return { method, data: mutateBytes(data, other.data, random) };
      const message = mutateProtobuf(data.subarray(PREFIX_BYTES), other.data.subarray(PREFIX_BYTES), random);
      return { method, data: framed(message) };
    },
    print: ({ method, data }) => `${method} ${printBytes(data)}`,
    async check({ method, data }) {
      const { grpcStatus, rstCode } = await session.call(`${SERVICE}${method}`, data);
      if (grpcStatus === undefined) {
        if (rstCode === 0) throw new Error('the call ended without a status');
        return `reset with ${rstCode}`;
      }
      if (FAULTS.has(grpcStatus)) throw new Error(`the status is ${status[grpcStatus]}`);
      return status[grpcStatus] ?? 'unknown';
    },
    settle: () => server.check(),
  };
}

/** One connection, and another one when the server has closed it. */
class Sessions {
  readonly #address: string;
  #session: ClientHttp2Session | undefined;

  constructor(address: string) {
    this.#address = address;
  }

  async call(
    path: string,
    data: Buffer,
  ): Promise<{ readonly grpcStatus: number | undefined; readonly rstCode: number }> {
    const stream = this.#open().request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let grpcStatus: number | undefined;
    const read = (headers: Readonly<Record<string, unknown>>) => {
      if (headers['grpc-status'] !== undefined) grpcStatus = Number(headers['grpc-status']);
    };
    stream
      .on('response', read)
      .on('trailers', read)
      .on('error', () => {});
    stream.resume();
    stream.end(data);
    await once(stream, 'close').catch(() => {});
    return { grpcStatus, rstCode: stream.rstCode ?? 0 };
  }

  #open(): ClientHttp2Session {
    if (!this.#session || this.#session.closed || this.#session.destroyed) {
      this.#session = connect(`http://${this.#address}`);
      this.#session.on('error', () => {});
      this.#session.unref();
    }
    return this.#session;
  }
}

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
