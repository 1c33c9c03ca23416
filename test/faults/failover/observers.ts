import type { Allocation, OrderNumbersClient } from '../../../src/client/index.ts';
import { OrderNumbersError } from '../../../src/client/index.ts';
import { until } from '../../support/until.ts';
import type { History } from './history.ts';
import { textOf } from './history.ts';

/** Watches the whole ledger from its beginning, through every fault. */
export class Watcher {
  readonly #history: History;
  readonly #stop = new AbortController();
  readonly #atWork: Promise<void>;
  #cursor = 0n;
  #next = 1n;

  constructor(client: OrderNumbersClient, history: History) {
    this.#history = history;
    this.#atWork = this.#watch(client);
    this.#atWork.catch(() => {});
  }

  /** Resolves when it has seen everything up to `orderId`. */
  async reaches(orderId: bigint): Promise<void> {
    await Promise.race([
      until(
        () => `a watcher, which is at ${this.#cursor}, reaches ${orderId}`,
        () => this.#cursor >= orderId,
      ),
      // Fails if the watcher has failed.
      this.#atWork,
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#atWork;
  }

  async #watch(client: OrderNumbersClient): Promise<void> {
    for await (const step of client.watchAllocations({ afterOrderId: 0 }, { signal: this.#stop.signal })) {
      for (const allocation of step.allocations) {
        this.#history.shown('a watcher', allocation);
        if (allocation.orderId !== this.#next) {
          this.#history.contradict(`a watcher saw ${textOf(allocation)} instead of ${this.#next}`);
        }
        this.#next = allocation.orderId + BigInt(allocation.count);
      }
      this.#cursor = step.cursor;
    }
  }
}

/** Looks up the last pair given and the ones after it, and lists the newest store. */
export class Reader {
  readonly #client: OrderNumbersClient;
  readonly #history: History;
  readonly #atWork: Promise<void>;
  #isStopping = false;
  /** A store with few allocations. */
  storeId = 1n;
  /** Lookups and lists that were answered, NOT_FOUND included. */
  answers = 0;

  constructor(client: OrderNumbersClient, history: History) {
    this.#client = client;
    this.#history = history;
    this.#atWork = this.#read();
    this.#atWork.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#atWork;
  }

  async #read(): Promise<void> {
    const client = this.#client;
    while (!this.#isStopping) {
      const { answer: last } = this.#history.answered.at(-1) ?? {};
      if (last) {
        await this.#mustFind(last, () => client.getAllocation({ orderId: last.orderId }));
        await this.#mustFind(last, () => client.getAllocation({ storeId: last.storeId, requestId: last.requestId }));
      }
      const next = last ? last.orderId + BigInt(last.count) : 1n;
      for (const orderId of [next, next + 1n]) {
        await this.#mayFind(async () => [await client.getAllocation({ orderId })]);
      }
      await this.#mayFind(() => all(client.listAllocations({ storeId: this.storeId, pageSize: 1000 })));
    }
  }

  async #mayFind(read: () => Promise<readonly Allocation[]>): Promise<void> {
    try {
      for (const allocation of await read()) this.#history.shown('a reader', allocation);
      this.answers++;
    } catch (error) {
      if (isNotFound(error)) this.answers++;
      else this.#history.readFailed('a reader', error);
    }
  }

  /** An acknowledged pair is visible to all, on every server. */
  async #mustFind(given: Allocation, read: () => Promise<Allocation>): Promise<void> {
    await this.#mayFind(async () => {
      const found = await read().catch((error: unknown) => {
        if (isNotFound(error)) this.#history.contradict(`a reader did not find ${textOf(given)}`);
        throw error;
      });
      if (textOf(found) !== textOf(given)) {
        this.#history.contradict(`a reader found ${textOf(found)} instead of ${textOf(given)}`);
      }
      return [found];
    });
  }
}

async function all(list: AsyncIterable<Allocation>): Promise<readonly Allocation[]> {
  const allocations: Allocation[] = [];
  for await (const allocation of list) allocations.push(allocation);
  return allocations;
}

function isNotFound(error: unknown): boolean {
  return error instanceof OrderNumbersError && error.code === 'NOT_FOUND';
}
