import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ClientOptions, OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import type { OrdersClient } from '../../support/clients/orders-client.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { Random } from '../frame/random.ts';
import type { Asked, History } from './history.ts';
import { isExpected } from './outcome.ts';
import { pairOf, pairOfWire } from './pair.ts';

/** How often: in one of this many calls. */
const RUN_ONE_IN = 5;
const REPLAY_ONE_IN = 9;
const COPY_ONE_IN = 40;
const TWIN_ONE_IN = 15;
const MAX_RUN = 20;
/** Old requests to replay: a sample of all of the load. */
const MAX_SAMPLE = 1_000;
/** One call of a client, with the client's own retries; then the same request is sent again. */
const TIMEOUT_MS = 20_000;
/** Between a refusal and the next attempt. */
const PAUSE_MS = 20;
/** A request that stays unanswered for this long after stop() never will be. */
const PATIENCE_MS = 180_000;

export interface LoadOptions {
  readonly history: History;
  /** host:port, where servers are or will be again: clients take turns. */
  readonly addresses: readonly string[];
  /** Options of the clients, such as a token and TLS. */
  readonly client?: Omit<ClientOptions, 'address'>;
  /** Makes request_ids unique; two loads on one ledger have two names. Default: load. */
  readonly name?: string;
  readonly seed?: number;
  /** Clients that combine their calls, and that do not. Default: 1 and 1. */
  readonly combining?: number;
  readonly single?: number;
  /** Calls of a client under way at a time. Default: 32 of one that combines, 8 of one that does not. */
  readonly callers?: number;
  /** Of each caller, after each answer. Default: none. */
  readonly pauseMs?: number;
  /** Stores to number for; default: 1n to 5n. */
  readonly stores?: readonly bigint[];
  /** Sends no request_id: then a call without an answer is not sent again, and nothing is replayed. */
  readonly isKeyless?: boolean;
}

type Send = (asked: Asked) => Promise<void>;

/**
 * Exactly-once clients at work: each caller has one call at a time, and sends a request again, through restarts, until
 * it is answered. Every fifth call asks for several numbers, every ninth replays an old request, some race with a copy, and
 * some have the request_id of the one before, in another store.
 * Starts at once, and closes its clients when the test ends.
 */
export class Load {
  readonly #history: History;
  readonly #name: string;
  readonly #random: Random;
  readonly #stores: readonly bigint[];
  readonly #isKeyless: boolean;
  readonly #pauseMs: number;
  readonly #sends: readonly Send[];
  readonly #atWork: Promise<unknown>;
  readonly #sample: Asked[] = [];
  #requests = 0;
  /** The last request whose request_id was new. */
  #last: Asked | undefined;
  #isStopping = false;
  #stoppedMs = Infinity;
  #answers = 0;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(options: LoadOptions) {
    const { name = 'load', seed = 1, stores = [1n, 2n, 3n, 4n, 5n], isKeyless = false, pauseMs = 0 } = options;
    this.#history = options.history;
    this.#name = name;
    this.#random = new Random(seed);
    this.#stores = stores;
    this.#isKeyless = isKeyless;
    this.#pauseMs = pauseMs;
    const callers = this.#connect(options);
    this.#sends = callers.map(({ send }) => send);
    const each = callers.flatMap(({ send, count }) => Array.from({ length: count }, () => send));
    this.#atWork = Promise.all(each.map((send) => this.#work(send)));
    // answers() and stop() report a failure.
    this.#atWork.catch(() => {});
  }

  /** Calls that were answered so far. */
  get answered(): number {
    return this.#answers;
  }

  /** Resolves after `count` more answers. */
  async answers(count: number): Promise<void> {
    const enough = Promise.withResolvers<void>();
    this.#waiting.push({ count: this.#answers + count, resolve: enough.resolve });
    await Promise.race([enough.promise, this.#atWork]);
  }

  /** No caller makes a further request; those under way go on until they are answered. */
  leave(): void {
    this.#isStopping = true;
    this.#stoppedMs = Math.min(this.#stoppedMs, performance.now());
  }

  /** Resolves when every request is answered; a server has to serve. */
  async stop(): Promise<void> {
    this.leave();
    await this.#atWork;
  }

  #connect(options: LoadOptions): readonly { readonly send: Send; readonly count: number }[] {
    const { addresses, combining = 1, single = 1, callers } = options;
    const address = (i: number) => addresses[i % addresses.length]!;
    if (this.#isKeyless) {
      return Array.from({ length: combining + single }, (_, i) => {
        const client = connect(address(i));
        onTestFinished(() => client.close());
        return { send: this.#keyless(`${this.#name}-bare-${i}`, client), count: callers ?? 8 };
      });
    }
    return Array.from({ length: combining + single }, (_, i) => {
      const combine = i < combining;
      const client = createClient({ timeoutMs: TIMEOUT_MS, ...options.client, address: address(i), combine });
      onTestFinished(() => client.close());
      const kind = combine ? 'combining' : 'single';
      return { send: this.#exactlyOnce(`${this.#name}-${kind}-${i}`, client), count: callers ?? (combine ? 32 : 8) };
    });
  }

  async #work(send: Send): Promise<void> {
    while (!this.#isStopping) {
      if (this.#isKeyless || !this.#random.chance(1 / REPLAY_ONE_IN) || this.#sample.length === 0) {
        const asked = this.#newRequest();
        if (!this.#isKeyless && this.#random.chance(1 / COPY_ONE_IN)) {
          await Promise.all([send(asked), this.#random.pick(this.#sends)(asked)]);
        } else await send(asked);
        this.#remember(asked);
      } else await send(this.#random.pick(this.#sample));
      if (this.#pauseMs > 0) await delay(this.#pauseMs);
    }
  }

  #newRequest(): Asked {
    const number = ++this.#requests;
    const storeId = this.#random.pick(this.#stores);
    if (this.#isKeyless) return { storeId, requestId: '', count: 1 };
    const count = number % RUN_ONE_IN === 0 ? this.#random.between(2, MAX_RUN) : 1;
    const last = this.#last;
    if (last && last.storeId !== storeId && this.#random.chance(1 / TWIN_ONE_IN)) {
      this.#last = undefined;
      return { storeId, requestId: last.requestId, count };
    }
    return (this.#last = { storeId, requestId: `${this.#name}-${number}`, count });
  }

  #remember(asked: Asked): void {
    if (this.#sample.length < MAX_SAMPLE) this.#sample.push(asked);
    else {
      const place = this.#random.below(this.#requests);
      if (place < MAX_SAMPLE) this.#sample[place] = asked;
    }
  }

  #exactlyOnce(name: string, client: OrderNumbersClient): Send {
    return async (asked) => {
      for (;;) {
        const call = this.#history.begin(name, asked);
        try {
          const answer = await client.allocate(asked);
          this.#history.answered(call, pairOf(answer), answer.replayed);
          return this.#countAnswer();
        } catch (error) {
          this.#history.failed(call, error);
          if (call.refusal !== undefined && !isExpected(call.refusal)) return;
          if (performance.now() - this.#stoppedMs > PATIENCE_MS) {
            throw new Error(`request ${asked.requestId} was not answered in ${PATIENCE_MS} ms`, { cause: error });
          }
          await delay(PAUSE_MS);
        }
      }
    };
  }

  #keyless(name: string, client: OrdersClient): Send {
    return async (asked) => {
      const call = this.#history.begin(name, asked);
      try {
        const { allocation, replayed } = await client.allocateOrder(asked);
        this.#history.answered(call, pairOfWire(allocation!), replayed);
        this.#countAnswer();
      } catch (error) {
        this.#history.failed(call, error);
        await delay(PAUSE_MS);
      }
    };
  }

  #countAnswer(): void {
    this.#answers++;
    if (this.#waiting.length === 0) return;
    for (const { count, resolve } of this.#waiting) if (count <= this.#answers) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => count > this.#answers);
  }
}
