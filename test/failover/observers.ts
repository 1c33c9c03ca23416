import type { Allocation, OrderNumbersClient } from '../../src/client/index.ts';
import { OrderNumbersError } from '../../src/client/index.ts';
import { until } from '../support/until.ts';
import type { Told } from './history.ts';
import { textOf } from './history.ts';

/** A watcher of the whole ledger, from its beginning, through everything that happens. */
export class Watcher {
  readonly #told: Told;
  readonly #stop = new AbortController();
  readonly #atWork: Promise<void>;
  #cursor = 0n;
  #next = 1n;

  constructor(client: OrderNumbersClient, told: Told) {
    this.#told = told;
    this.#atWork = this.#watch(client);
    this.#atWork.catch(() => {});
  }

  /** Resolves when it was shown everything up to there. */
  async reaches(orderId: bigint): Promise<void> {
    await Promise.race([
      until(
        () => `a watcher, which is at ${this.#cursor}, reaches ${orderId}`,
        () => this.#cursor >= orderId,
      ),
      // Its failure is to be seen.
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
        this.#told.show('a watcher', allocation);
        if (allocation.orderId !== this.#next) {
          this.#told.contradict(`a watcher was shown ${textOf(allocation)} where ${this.#next} was due`);
        }
        this.#next = allocation.orderId + BigInt(allocation.count);
      }
      this.#cursor = step.cursor;
    }
  }
}

/** A reader who looks up what was just given, and what is not given yet, and lists the newest store. */
export class Reader {
  readonly #client: OrderNumbersClient;
  readonly #told: Told;
  readonly #atWork: Promise<void>;
  #isStopping = false;
  /** A store with few allocations. */
  storeId = 1n;
  /** Look-ups and lists that were answered, "there is none" included. */
  answers = 0;

  constructor(client: OrderNumbersClient, told: Told) {
    this.#client = client;
    this.#told = told;
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
      const { answer: last } = this.#told.answered.at(-1) ?? {};
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
      for (const allocation of await read()) this.#told.show('a reader', allocation);
      this.answers++;
    } catch (error) {
      if (isNotFound(error)) this.answers++;
      else this.#told.readFailed('a reader', error);
    }
  }

  /** What was acknowledged is there for everybody, on every server. */
  async #mustFind(given: Allocation, read: () => Promise<Allocation>): Promise<void> {
    await this.#mayFind(async () => {
      const found = await read().catch((error: unknown) => {
        if (isNotFound(error)) this.#told.contradict(`a reader did not find ${textOf(given)}`);
        throw error;
      });
      if (textOf(found) !== textOf(given)) {
        this.#told.contradict(`a reader found ${textOf(found)} instead of ${textOf(given)}`);
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
