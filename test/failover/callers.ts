import type { OrderNumbersClient } from '../../src/client/index.ts';
import type { Answered, Asked, Told } from './history.ts';

const STORES = 4;
/** Every so many calls are a replay of an old one, ask for several numbers, or are for the round's own store. */
const REPLAY_EVERY = 9;
const RUN_EVERY = 5;
const OWN_STORE_EVERY = 7;
const LONGEST_RUN = 20;

/** Callers at work from now on, each with one call at a time, until told to stop. */
export class Callers {
  readonly #clients: readonly OrderNumbersClient[];
  readonly #told: Told;
  readonly #name: string;
  readonly #ownStoreId: bigint;
  readonly #atWork: Promise<unknown>;
  #isStopping = false;
  /** Calls answered, the slowest of them in milliseconds, and calls that failed. */
  answers = 0;
  slowestMs = 0;
  errors = 0;
  #onAnswer = Promise.withResolvers<void>();
  /** Those that failed, to be asked again. */
  readonly #unanswered: (Asked & { readonly startMs: number })[] = [];

  /** `name` makes the request_ids unique; `ownStoreId` is a store that nobody used before. */
  constructor(clients: readonly OrderNumbersClient[], told: Told, name: string, ownStoreId: bigint) {
    this.#clients = clients;
    this.#told = told;
    this.#name = name;
    this.#ownStoreId = ownStoreId;
    this.#atWork = Promise.all(clients.map((client, i) => this.#work(client, i)));
    // Seen by whoever waits for them.
    this.#atWork.catch(() => {});
  }

  /** Resolves when there are so many answers more than now. */
  async moreAnswers(count: number): Promise<void> {
    const enough = this.answers + count;
    while (this.answers < enough) await Promise.race([this.#onAnswer.promise, this.#atWork]);
  }

  /** They make no further call; whoever still waits for an answer goes on waiting. */
  leave(): void {
    this.#isStopping = true;
  }

  /** Resolves when every call is answered: those that failed are asked again, twice, for one pair. */
  async stop(): Promise<void> {
    this.leave();
    await this.#atWork;
    const [client] = this.#clients;
    for (const { startMs, ...asked } of this.#unanswered) {
      const answer = await client!.allocate(asked, { timeoutMs: 30_000 });
      const call: Answered = { ...asked, startMs, endMs: performance.now(), answer };
      this.#told.answered.push(call);
      this.#told.replay(call, await client!.allocate(asked, { timeoutMs: 30_000 }));
    }
  }

  async #work(client: OrderNumbersClient, caller: number): Promise<void> {
    for (let call = caller; !this.#isStopping; call++) {
      const original = this.#told.answered[(call * 7919) % Math.max(1, this.#told.answered.length)];
      const isReplay = call % REPLAY_EVERY === 0 && original !== undefined;
      await this.#ask(client, isReplay ? original : this.#newRequest(caller, call), isReplay ? original : undefined);
    }
  }

  #newRequest(caller: number, call: number): Asked {
    const storeId = call % OWN_STORE_EVERY === 0 ? this.#ownStoreId : BigInt(1 + (call % STORES));
    const count = call % RUN_EVERY === 0 ? 2 + (call % LONGEST_RUN) : 1;
    return { storeId, count, requestId: `${this.#name}-${caller}-${call}` };
  }

  async #ask(client: OrderNumbersClient, asked: Asked, original: Answered | undefined): Promise<void> {
    const { storeId, count, requestId } = asked;
    const startMs = performance.now();
    this.#told.calls++;
    try {
      const answer = await client.allocate(count === 1 ? { storeId, requestId } : { storeId, count, requestId });
      const endMs = performance.now();
      this.answers++;
      this.#onAnswer.resolve();
      this.#onAnswer = Promise.withResolvers();
      this.slowestMs = Math.max(this.slowestMs, endMs - startMs);
      if (original) this.#told.replay(original, answer);
      else this.#told.answered.push({ storeId, count, requestId, startMs, endMs, answer });
    } catch (error) {
      this.errors++;
      this.#told.failed.push({ storeId, count, requestId, startMs, error });
      // A replay is answered already.
      if (!original) this.#unanswered.push({ storeId, count, requestId, startMs });
    }
  }
}
