import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { until } from '../../support/until.ts';
import type { History } from '../history/history.ts';
import type { Watched } from '../history/watched.ts';

/** Watches the whole ledger, again and again: each watch begins at the cursor that the one before has saved. */
export class RestartedWatcher {
  readonly #client: OrderNumbersClient;
  readonly #watched: Watched;
  readonly #savesCursor: boolean;
  #stop = new AbortController();
  #atWork: Promise<void>;

  /** Without its cursor it begins anew each time: for the negative control. */
  constructor(client: OrderNumbersClient, history: History, { savesCursor = true } = {}) {
    this.#client = client;
    this.#watched = history.watch('a watch', 0n);
    this.#savesCursor = savesCursor;
    this.#atWork = this.#watch(0n);
  }

  /** Ends the watch and begins the next one. */
  async restart(): Promise<void> {
    await this.#end();
    this.#stop = new AbortController();
    this.#atWork = this.#watch(this.#savesCursor ? this.#watched.cursor : 0n);
  }

  /** Ends the watch once it has seen everything up to this order_id. */
  async stopAt(orderId: bigint): Promise<void> {
    await Promise.race([
      until(
        () => `the watch, which is at ${this.#watched.cursor}, reaches ${orderId}`,
        () => this.#watched.cursor >= orderId,
      ),
      // Fails if the watch has failed.
      this.#atWork,
    ]);
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    await this.#atWork;
  }

  async #watch(afterOrderId: bigint): Promise<void> {
    const steps = this.#client.watchAllocations({ afterOrderId }, { signal: this.#stop.signal });
    for await (const step of steps) this.#watched.step(step);
  }
}
