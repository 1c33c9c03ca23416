import { setTimeout as delay } from 'node:timers/promises';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import type { History } from '../history/history.ts';
import type { Watched } from '../history/watched.ts';

const PAUSE_MS = 10;

/** Watches the whole ledger, again and again: each watch begins at the cursor that the one before has saved. */
export class RestartedWatcher {
  readonly #client: OrderNumbersClient;
  readonly #watched: Watched;
  readonly #savesCursor: boolean;
  #stop = new AbortController();
  #atWork!: Promise<void>;

  /** Without its cursor it begins anew each time: for the negative control. */
  constructor(client: OrderNumbersClient, history: History, { savesCursor = true } = {}) {
    this.#client = client;
    this.#watched = history.watch('a watch', 0n);
    this.#savesCursor = savesCursor;
    this.#begin(0n);
  }

  /** Ends the watch and begins the next one. */
  async restart(): Promise<void> {
    await this.stop();
    this.#stop = new AbortController();
    if (!this.#savesCursor) this.#watched.cursor = 0n;
    this.#begin(this.#watched.cursor);
  }

  /** Resolves when it has seen everything up to this order_id; rejects if the watch fails. */
  async reaches(orderId: bigint): Promise<void> {
    while (this.#watched.cursor < orderId) await Promise.race([delay(PAUSE_MS), this.#atWork]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#atWork;
  }

  #begin(afterOrderId: bigint): void {
    this.#atWork = this.#watch(afterOrderId);
    // restart(), reaches() and stop() report a failure.
    this.#atWork.catch(() => {});
  }

  async #watch(afterOrderId: bigint): Promise<void> {
    const steps = this.#client.watchAllocations({ afterOrderId }, { signal: this.#stop.signal });
    for await (const step of steps) this.#watched.step(step);
  }
}
