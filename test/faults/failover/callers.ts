import type { OrderNumbersClient } from '../../../src/client/index.ts';
import type { Answered, Asked, History } from './history.ts';

const STORES = 4;
/** Every ninth call replays an old one, every fifth asks for several numbers, every seventh is for the round's own store. */
const REPLAY_EVERY = 9;
const RUN_EVERY = 5;
const OWN_STORE_EVERY = 7;
const MAX_RUN = 20;

/** Callers that start at once, each with one call at a time, until they are stopped. */
export class Callers {
  readonly #clients: readonly OrderNumbersClient[];
  readonly #history: History;
  readonly #name: string;
  readonly #ownStoreId: bigint;
  readonly #atWork: Promise<unknown>;
  #isStopping = false;
  /** Calls answered, the slowest of them in milliseconds, and calls that failed. */
  answers = 0;
  slowestMs = 0;
  errors = 0;
  #onAnswer = Promise.withResolvers<void>();
  /** The calls that failed, to be retried. */
  readonly #unanswered: (Asked & { readonly startMs: number })[] = [];

  /** `name` makes the request_ids unique; `ownStoreId` is a store without orders. */
  constructor(clients: readonly OrderNumbersClient[], history: History, name: string, ownStoreId: bigint) {
    this.#clients = clients;
    this.#history = history;
    this.#name = name;
    this.#ownStoreId = ownStoreId;
    this.#atWork = Promise.all(clients.map((client, i) => this.#work(client, i)));
    // moreAnswers() and stop() report a failure.
    this.#atWork.catch(() => {});
  }

  /** Resolves after `count` more answers. */
  async moreAnswers(count: number): Promise<void> {
    const enough = this.answers + count;
    while (this.answers < enough) await Promise.race([this.#onAnswer.promise, this.#atWork]);
  }

  /** No caller makes a further call; calls in progress continue. */
  leave(): void {
    this.#isStopping = true;
  }

  /** Resolves when every call is answered: each one that failed is retried twice, and must get the same pair. */
  async stop(): Promise<void> {
    this.leave();
    await this.#atWork;
    const [client] = this.#clients;
    for (const { startMs, ...asked } of this.#unanswered) {
      const answer = await client!.allocate(asked, { timeoutMs: 30_000 });
      const call: Answered = { ...asked, startMs, endMs: performance.now(), answer };
      this.#history.answered.push(call);
      this.#history.replayed(call, await client!.allocate(asked, { timeoutMs: 30_000 }));
    }
  }

  async #work(client: OrderNumbersClient, caller: number): Promise<void> {
    for (let call = caller; !this.#isStopping; call++) {
      const original = this.#history.answered[(call * 7919) % Math.max(1, this.#history.answered.length)];
      const isReplay = call % REPLAY_EVERY === 0 && original !== undefined;
      await this.#ask(client, isReplay ? original : this.#newRequest(caller, call), isReplay ? original : undefined);
    }
  }

  #newRequest(caller: number, call: number): Asked {
    const storeId = call % OWN_STORE_EVERY === 0 ? this.#ownStoreId : BigInt(1 + (call % STORES));
    const count = call % RUN_EVERY === 0 ? 2 + (call % MAX_RUN) : 1;
    return { storeId, count, requestId: `${this.#name}-${caller}-${call}` };
  }

  async #ask(client: OrderNumbersClient, asked: Asked, original: Answered | undefined): Promise<void> {
    const { storeId, count, requestId } = asked;
    const startMs = performance.now();
    this.#history.calls++;
    try {
      const answer = await client.allocate(count === 1 ? { storeId, requestId } : { storeId, count, requestId });
      const endMs = performance.now();
      this.answers++;
      this.#onAnswer.resolve();
      this.#onAnswer = Promise.withResolvers();
      this.slowestMs = Math.max(this.slowestMs, endMs - startMs);
      if (original) this.#history.replayed(original, answer);
      else this.#history.answered.push({ storeId, count, requestId, startMs, endMs, answer });
    } catch (error) {
      this.errors++;
      this.#history.failed.push({ storeId, count, requestId, startMs, error });
      // A replay has been answered before.
      if (!original) this.#unanswered.push({ storeId, count, requestId, startMs });
    }
  }
}
