import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { PREFACE, settings } from './frames.ts';

/** What an attack writes to at most before the server reads some of it. */
const PAUSE_MS = 5;

/** A connection that takes any bytes. That the server cuts it is what it is here for. */
export class RawConnection {
  readonly socket: Socket;
  isClosed = false;
  /** What has come in. */
  received = 0;

  private constructor(socket: Socket, reads: boolean) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => (this.isClosed = true));
    if (reads) socket.on('data', (chunk: Buffer) => (this.received += chunk.length));
  }

  /** Undefined if the server takes none. One that does not read lets the answers wait in the server. */
  static async open(address: string, { reads = true } = {}): Promise<RawConnection | undefined> {
    const [host, port] = address.split(':');
    const socket = connect({ host: host!, port: Number(port), noDelay: true });
    const connection = new RawConnection(socket, reads);
    await Promise.race([either(socket, 'connect'), either(socket, 'close')]);
    return connection.isClosed ? undefined : connection;
  }

  /** The same, as a client of HTTP/2. */
  static async http2(
    address: string,
    options: { readonly reads?: boolean; readonly settings?: readonly (readonly [number, number])[] } = {},
  ): Promise<RawConnection | undefined> {
    const connection = await RawConnection.open(address, options);
    await connection?.send(PREFACE, settings(...(options.settings ?? [])));
    return connection;
  }

  /** Resolves when the bytes are on their way, or the connection is gone: then to false. */
  async send(...parts: readonly Buffer[]): Promise<boolean> {
    if (this.isClosed || !this.socket.writable) return false;
    if (!this.socket.write(Buffer.concat(parts))) {
      await Promise.race([either(this.socket, 'drain'), either(this.socket, 'close'), delay(1000)]);
      // A server that reads nothing more has had enough.
      if (this.socket.writableNeedDrain) this.socket.destroy();
    } else await delay(0);
    return !this.isClosed;
  }

  /** Resolves when the server has closed it, or after this time. */
  async closed(ms: number): Promise<void> {
    if (!this.isClosed) await Promise.race([either(this.socket, 'close'), delay(ms)]);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Lets the others of this thread have their turn. */
export async function pause(): Promise<void> {
  await delay(PAUSE_MS);
}

/** Resolves with the event, or with an error in its place. */
async function either(socket: Socket, event: string): Promise<void> {
  await once(socket, event).catch(() => {});
}
