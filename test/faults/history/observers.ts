import { setTimeout as delay } from 'node:timers/promises';
import type { Allocation, OrderNumbersClient } from '../../../src/client/index.ts';
import { until } from '../../support/until.ts';
import type { Call, History } from './history.ts';
import { lastOrderId, pairOf } from './pair.ts';
import type { Watched } from './watched.ts';

/** Watches the whole ledger, or a store of it, from its beginning, through every fault. */
export class Watcher {
  readonly #stop = new AbortController();
  readonly #atWork: Promise<void>;
  readonly #watched: Watched;

  constructor(client: OrderNumbersClient, history: History, by: string, storeId?: bigint) {
    this.#watched = history.watch(by, 0n, storeId);
    this.#atWork = this.#watch(client, storeId);
    this.#atWork.catch(() => {});
  }

  /** Resolves when it has seen everything up to `orderId`. */
  async reaches(orderId: bigint): Promise<void> {
    await Promise.race([
      until(
        () => `${this.#watched.by}, which is at ${this.#watched.cursor}, reaches ${orderId}`,
        () => this.#watched.cursor >= orderId,
      ),
      // Fails if the watch has failed.
      this.#atWork,
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#atWork;
  }

  async #watch(client: OrderNumbersClient, storeId: bigint | undefined): Promise<void> {
    const { signal } = this.#stop;
    for await (const step of client.watchAllocations({ afterOrderId: 0, storeId }, { signal })) {
      this.#watched.step(step);
    }
  }
}

const PAGE_SIZE = 1000;
/** The newest allocations that a list asks for: a whole one would take longer with every round. */
const NEWEST = 500n;

/** Looks up the last pair given and the ones after it, and lists the newest ones, over and over. */
export class Reader {
  readonly #client: OrderNumbersClient;
  readonly #history: History;
  readonly #by: string;
  readonly #pauseMs: number;
  readonly #mayLag: boolean;
  readonly #atWork: Promise<void>;
  #isStopping = false;
  /** Lookups and lists that were answered, NOT_FOUND included. */
  answers = 0;

  /** `mayLag`: lists may end before what was acknowledged, as on PostgreSQL until a server has noticed a failover. */
  constructor(client: OrderNumbersClient, history: History, by: string, pauseMs = 0, mayLag = false) {
    this.#client = client;
    this.#history = history;
    this.#by = by;
    this.#pauseMs = pauseMs;
    this.#mayLag = mayLag;
    this.#atWork = this.#read();
    this.#atWork.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#atWork;
  }

  async #read(): Promise<void> {
    while (!this.#isStopping) {
      await delay(this.#pauseMs);
      const last = lastAnswered(this.#history.calls);
      if (!last?.answer) continue;
      const { orderId, storeId, orderNumber, requestId } = last.answer;
      const next = lastOrderId(last.answer) + 1n;
      await this.#lookUp({ orderId });
      await this.#lookUp({ storeId, requestId });
      await this.#lookUp({ storeId, orderNumber });
      for (const above of [next, next + 1n]) await this.#lookUp({ orderId: above });
      await this.#list(next > NEWEST ? next - NEWEST : 0n);
    }
  }

  async #lookUp(
    key: { orderId: bigint } | { storeId: bigint; requestId: string } | { storeId: bigint; orderNumber: bigint },
  ) {
    const startMs = performance.now();
    const found = await this.#history.ask(
      `${this.#by}'s lookup`,
      () => this.#client.getAllocation(key),
      (says) => {
        if (!says.startsWith('NOT_FOUND')) return false;
        this.#history.missed(this.#by, startMs, key);
        this.answers++;
        return true;
      },
    );
    if (!found) return;
    this.#history.saw(this.#by, found);
    this.answers++;
  }

  async #list(afterOrderId: bigint): Promise<void> {
    const startMs = performance.now();
    const list = await this.#history.ask(`${this.#by}'s list`, () =>
      all(this.#client.listAllocations({ afterOrderId, pageSize: PAGE_SIZE })),
    );
    // An empty one has no end.
    if (!list || list.length === 0) return;
    this.#history.listed(this.#by, startMs, list.map(pairOf), { isWhole: !this.#mayLag });
    this.answers++;
  }
}

/** The newest of the last calls that has an answer. */
function lastAnswered(calls: readonly Call[]): Call | undefined {
  for (let i = calls.length - 1; i >= Math.max(0, calls.length - 200); i--) if (calls[i]!.answer) return calls[i];
  return undefined;
}

async function all(list: AsyncIterable<Allocation>): Promise<readonly Allocation[]> {
  const allocations: Allocation[] = [];
  for await (const allocation of list) allocations.push(allocation);
  return allocations;
}
