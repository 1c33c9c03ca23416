import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrderNumbersClient } from '../../src/client/index.ts';
import type { ClientQuestion, ClientResult } from '../generators/client-load.ts';
import { BURST_MS, latenessMs } from '../generators/schedule.ts';
import { answerQuestions } from '../processes/program.ts';
import { quantile } from '../statistics.ts';

// Calls client.allocate(), in a process of its own: `node bench/programs/client-load.ts <client module> <address> <combine>`.
// The client is a module of this working tree or of an earlier commit.

const [module = '', address = '', combine = 'true'] = process.argv.slice(2);
const { createClient } = (await import(module)) as typeof import('../../src/client/index.ts');
const client: OrderNumbersClient = createClient({ address, ...(combine === 'false' && { combine: false }) });
/** The distance between the stores of successive orders, so that they are not neighbors. */
const STEP = 7919;
let next = 0;

answerQuestions(async (question: ClientQuestion): Promise<ClientResult> => {
  const load = new Load(question);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await (question.perSecond === undefined ? load.closedLoop() : load.openLoop(question.perSecond));
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return { ...load.result(), ms, generatorMicros: (user + system) / question.orders };
});

/** One load, and what became of its orders. */
class Load {
  readonly #question: ClientQuestion;
  readonly #answered: number[] = [];
  readonly #refused: number[] = [];
  #failures = 0;
  #failure = '';

  constructor(question: ClientQuestion) {
    this.#question = question;
  }

  /** Each caller asks for its next order once it has its last one. */
  async closedLoop(): Promise<void> {
    const { inFlight, orders } = this.#question;
    let left = orders;
    const caller = async () => {
      while (left-- > 0) await this.#order(performance.now());
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
  }

  /** Sends orders when they are due, in bursts, whatever became of earlier ones; latency counts from their burst. */
  async openLoop(perSecond: number): Promise<void> {
    const began = performance.now();
    const orders: Promise<void>[] = [];
    for (let burst = 1; orders.length < this.#question.orders; burst++) {
      await delay(Math.max(0, began + burst * BURST_MS - performance.now()));
      const sent = performance.now() - began;
      const due = Math.min(this.#question.orders, (sent / 1000) * perSecond);
      while (orders.length < due) {
        const late = latenessMs((orders.length / perSecond) * 1000, sent);
        orders.push(this.#order(performance.now() - late));
      }
    }
    await Promise.all(orders);
  }

  result(): Omit<ClientResult, 'ms' | 'generatorMicros'> {
    const answered = Float64Array.from(this.#answered).toSorted();
    const refused = Float64Array.from(this.#refused).toSorted();
    return {
      answered: answered.length,
      refused: refused.length,
      failures: this.#failures,
      failure: this.#failure,
      p50Ms: quantile(answered, 0.5),
      p99Ms: quantile(answered, 0.99),
      refusedP50Ms: quantile(refused, 0.5),
      refusedP99Ms: quantile(refused, 0.99),
    };
  }

  async #order(since: number): Promise<void> {
    try {
      next += STEP;
      const storeId = 1 + (next % this.#question.stores);
      await client.allocate(this.#question.keys === 'uuidv4' ? { storeId, requestId: randomUUID() } : { storeId });
      this.#answered.push(performance.now() - since);
    } catch (error) {
      if (isRefusal(error)) this.#refused.push(performance.now() - since);
      else {
        this.#failures++;
        this.#failure = error instanceof Error ? error.message : String(error);
      }
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'RESOURCE_EXHAUSTED';
}
