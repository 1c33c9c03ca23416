import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';

/** What a thread attacks, and how. */
export interface Attacker {
  readonly name: string;
  readonly grpc: string;
  readonly http: string;
  readonly seed: number;
}

/** An attack under way, in a thread of its own. */
export class RunningAttack {
  readonly #worker: Worker;
  readonly #failed = Promise.withResolvers<never>();
  /** How often something was done to the server. */
  did = 0;

  constructor(attacker: Attacker) {
    this.#worker = new Worker(new URL('attacker-thread.ts', import.meta.url), { workerData: attacker });
    this.#worker.on('message', (times: number) => (this.did += times));
    this.#worker.on('error', (error) => this.#failed.reject(error));
    this.#failed.promise.catch(() => {});
    onTestFinished(() => this.end());
  }

  /** Rejects if the attack itself fails. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Its connections close with its thread. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
