import { join } from 'node:path';
import { assertDense } from '../../../support/ledgers/density.ts';
import { freeAddress } from '../../../support/network/free-address.ts';
import { ServerProcess } from '../../../support/processes/server-process.ts';
import { until } from '../../../support/until.ts';
import { assertHistory } from '../../history/check-history.ts';
import { History } from '../../history/history.ts';
import { Load } from '../../history/load.ts';

const WARNING = 40;

/** A server at a fixed address, with exactly-once clients at work, through its restarts. */
export class LoadedServer {
  readonly ledger: string;
  readonly #address: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #history = new History();
  readonly load: Load;
  server: ServerProcess;

  static async start(folder: string, env: Readonly<Record<string, string>> = {}, seed = 1): Promise<LoadedServer> {
    const started = new LoadedServer(join(folder, 'orders.db'), await freeAddress(), env, seed);
    await started.server.serving();
    return started;
  }

  private constructor(ledger: string, address: string, env: Readonly<Record<string, string>>, seed: number) {
    this.ledger = ledger;
    this.#address = address;
    this.#env = env;
    this.server = this.#serve();
    this.load = new Load({ history: this.#history, addresses: [address], seed, callers: 8 });
  }

  /** How many lines say that something is wrong. */
  get complaints(): number {
    return this.server.log.filter(({ level }) => level >= WARNING).length;
  }

  /** Resolves when the server has said more. */
  async complains(before: number): Promise<void> {
    await until('the server says why', () => this.complaints > before);
  }

  /** Whether a caller was told that its call did nothing. */
  get hasRefused(): boolean {
    return this.#history.calls.some(({ refusal }) => refusal !== undefined);
  }

  /** Starts it again; returns whether it serves. */
  async startAgain(): Promise<boolean> {
    this.server = this.#serve();
    const serving = this.server.serving().then(
      () => true,
      () => false,
    );
    return serving;
  }

  /** Ends the load and compares its history with the ledger. */
  async end() {
    await this.load.stop();
    return assertHistory(this.#history, assertDense(this.ledger));
  }

  #serve(): ServerProcess {
    const listeners = ['--grpc-listen', this.#address, '--http-listen', 'off', '--metrics-listen', 'off'];
    // Callers of a disk that fails are not answered in time.
    const args = [...listeners, '--drain-timeout-ms', '1000'];
    return new ServerProcess(this.ledger, { args, env: this.#env });
  }
}
