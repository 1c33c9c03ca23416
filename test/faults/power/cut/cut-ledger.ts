import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freeAddress } from '../../../support/network/free-address.ts';
import { ServerProcess } from '../../../support/processes/server-process.ts';
import { LoopDisk } from './loop-disk.ts';

/** A ledger on a disk whose power is cut, and its server, always at the same address. */
export class CutLedger {
  readonly disk = new LoopDisk();
  readonly path = join(this.disk.folder, 'orders.db');
  readonly address: string;
  #server: ServerProcess | undefined;

  private constructor(address: string) {
    this.address = address;
    // Before the disk is unmounted.
    onTestFinished(() => this.#server?.kill());
  }

  static async create(): Promise<CutLedger> {
    return new CutLedger(await freeAddress());
  }

  /** Starts a server; rejects if it refuses what it finds. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const args = ['--grpc-listen', this.address, '--http-listen', 'off', '--metrics-listen', 'off'];
    this.#server = new ServerProcess(this.path, { args, env });
    await this.#server.serving();
    return this.#server;
  }

  /** Cuts the power under the server. */
  async cut(how: 'stopped' | 'killed'): Promise<void> {
    await this.disk.cutPower(this.#server!.child, how);
  }
}
