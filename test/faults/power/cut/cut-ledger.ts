import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freeAddress } from '../../../support/network/free-address.ts';
import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';
import { History } from '../../history/history.ts';
import { Load } from '../../history/load.ts';
import { LoopDisk } from './loop-disk.ts';

/** What the tests with such a disk need. */
export const TOOLS = ['gcc', 'mkfs.ext4', 'root', 'loop'] as const;
const CALLERS = 8;

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
    this.#server = this.#spawn(env);
    await this.#server.serving();
    return this.#server;
  }

  /** Starts a server that waits with all its modules loaded; what this resolves to lets it begin, and waits for it. */
  async prepare(env: Readonly<Record<string, string>> = {}): Promise<() => Promise<ServerProcess>> {
    const go = join(testFolder(), 'go');
    const warm = `--import ${new URL('warm-start.ts', import.meta.url).href}`;
    const options = env['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'] ?? '';
    const next = this.#spawn({ ...env, NODE_OPTIONS: `${options} ${warm}`.trim(), START_WHEN: go });
    await next.line('warm');
    return async () => {
      writeFileSync(go, '');
      this.#server = next;
      await next.serving();
      return next;
    };
  }

  #spawn(env: Readonly<Record<string, string>>): ServerProcess {
    const args = ['--grpc-listen', this.address, '--http-listen', 'off', '--metrics-listen', 'off'];
    return new ServerProcess(this.path, { args, env });
  }

  /** Cuts the power under the server. */
  async cut(how: 'stopped' | 'killed'): Promise<void> {
    await this.disk.cutPower(this.#server!.child, how);
  }
}

/** A served ledger with callers at work, and the history of what they were told. */
export async function ledgerUnderLoad(seed: number, env: Readonly<Record<string, string>> = {}) {
  const history = new History();
  const ledger = await CutLedger.create();
  const server = await ledger.start(env);
  const load = new Load({ history, addresses: [ledger.address], seed, callers: CALLERS });
  return { history, ledger, server, load };
}
