import { OrderError } from '../../../../src/core/errors.ts';
import type { AllocationKey } from '../../../../src/core/ledger.ts';
import type { ChangedStore, Store } from '../../../../src/core/store.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { Random } from '../../seeded/random.ts';
import type { SeenCall } from '../../seeded/run-judge.ts';
import type { RunRecord } from '../../seeded/run-record.ts';
import type { Asked, SeenChange, SeenRead } from '../judge/seen.ts';
import type { Question } from './plan.ts';
import type { ServerLife } from './server-life.ts';
import type { Servers } from './servers.ts';

/** Everything that servers are asked beside allocations, and what they said. */
export class Questions {
  readonly changes: SeenChange[] = [];
  readonly reads: SeenRead[] = [];
  readonly #record: RunRecord;
  readonly #servers: Servers;
  readonly #calls: readonly SeenCall[];
  #open = 0;

  constructor(record: RunRecord, servers: Servers, calls: readonly SeenCall[]) {
    this.#record = record;
    this.#servers = servers;
    this.#calls = calls;
  }

  get unanswered(): number {
    return this.#open;
  }

  /** Asks a server, unless none is up. */
  ask(what: Question, place: number, storeId: bigint, draw: number): void {
    const life = this.#servers.at(place);
    if (!life) return;
    this.#servers.as(life);
    const random = new Random(draw);
    const asked = { start: this.#servers.clock.turns, end: Infinity, refused: undefined };
    if (what === 'create store' || what === 'update store') this.#change(life, what, storeId, random, asked);
    else this.#read(life, this.#readOf(what, storeId, random, asked), random);
  }

  #change(life: ServerLife, what: SeenChange['what'], storeId: bigint, random: Random, asked: Asked): void {
    const prefix = `${this.changes.length}-`;
    const firstNumber = random.chance(what === 'create store' ? 0.5 : 0.2) ? 5000n : undefined;
    const seen: SeenChange = { ...asked, what, storeId, prefix, firstNumber, before: undefined, after: undefined };
    this.changes.push(seen);
    this.#record.note(what, `${storeId} ${prefix} at ${life.name}`);
    const { ledger } = life;
    const done: Promise<Store | ChangedStore> =
      what === 'create store'
        ? ledger.createStore({ storeId, firstNumber: firstNumber ?? 1n, prefix, suffix: '', minDigits: 0 })
        : ledger.updateStore(storeId, { prefix, firstNumber });
    this.#follow(life, what, seen, done, (answer) => {
      seen.before = 'after' in answer ? answer.before : undefined;
      seen.after = 'after' in answer ? answer.after : answer;
    });
  }

  #readOf(what: SeenRead['what'], storeId: bigint, random: Random, asked: Asked): SeenRead {
    const ofStore = random.chance(0.5) ? storeId : undefined;
    if (what === 'get store') return { ...asked, what, storeId };
    if (what === 'look up') return { ...asked, what, key: this.#key(random) };
    if (what === 'list stores') return { ...asked, what, afterStoreId: 0n, upToStoreId: 2n ** 62n, limit: 10 };
    if (what !== 'list allocations') return { ...asked, what };
    const newestFirst = random.chance(0.4);
    // The end is read first.
    const range = {
      afterOrderId: 0n,
      upToOrderId: 0n,
      newestFirst,
      storeId: ofStore,
      limit: random.pick([3, 20, 1000]),
    };
    return { ...asked, what, range };
  }

  #read(life: ServerLife, seen: SeenRead, random: Random): void {
    this.reads.push(seen);
    this.#record.note(seen.what, `at ${life.name}`);
    const { reads } = life.ledger;
    if (seen.what === 'get store') {
      this.#follow(life, seen.what, seen, reads.getStore(seen.storeId), (answer) => void (seen.answer = answer));
    } else if (seen.what === 'look up') {
      this.#follow(life, seen.what, seen, reads.getAllocation(seen.key), (answer) => void (seen.answer = answer));
    } else if (seen.what === 'list stores') {
      this.#follow(life, seen.what, seen, reads.listStores(seen), (answer) => void (seen.answer = answer));
    } else if (seen.what === 'end') {
      this.#follow(life, seen.what, seen, reads.end(), (answer) => void (seen.answer = answer));
    } else if (seen.what === 'verify') {
      this.#follow(life, seen.what, seen, eventsOf(life), (answer) => void (seen.answer = answer));
    } else {
      // What a server knows, it shows without looking for more.
      const { lastOrderId } = life.ledger;
      const end = random.chance(0.5) ? reads.end() : Promise.resolve({ lastOrderId });
      const listed = end.then(({ lastOrderId: upToOrderId }) => {
        // Mostly near the end, which is where the index is behind.
        const before = BigInt(random.below(random.pick([20, 200, 2000])));
        const afterOrderId = before < upToOrderId ? upToOrderId - before : 0n;
        Object.assign(seen.range, { upToOrderId, afterOrderId });
        return reads.listAllocations(seen.range);
      });
      this.#follow(life, seen.what, seen, listed, (answer) => void (seen.answer = answer));
    }
  }

  #follow<Answer>(
    life: ServerLife,
    what: string,
    seen: Asked,
    answer: Promise<Answer>,
    keep: (answer: Answer) => void,
  ): void {
    this.#open++;
    const end = (refused: Asked['refused']) => {
      life.onKilled.delete(killed);
      seen.end = this.#servers.clock.turns;
      seen.refused = refused;
      this.#open--;
      this.#record.reached(`${what}: ${refused ?? 'answered'}`);
    };
    const killed = () => end('killed');
    life.onKilled.add(killed);
    answer.then(
      (value) => {
        if (life.process.isDead) return;
        keep(value);
        end(undefined);
      },
      (error: unknown) => {
        if (life.process.isDead) return;
        if (!(error instanceof OrderError)) this.#record.violated(`${what} failed with ${String(error)}`);
        end(error instanceof OrderError ? error.reason : 'INTERNAL');
      },
    );
  }

  /** The key of a call, perhaps one that is not answered yet. */
  #key(random: Random): AllocationKey {
    const answered = this.#calls.findLast(({ answer }) => answer !== undefined)?.answer;
    const call = this.#calls.length > 0 ? random.pick(this.#calls) : undefined;
    const { storeId = 7n, requestId = 'nobody' } = random.chance(0.5) ? (answered ?? {}) : (call ?? {});
    if (!answered || random.chance(0.4)) return { storeId, requestId };
    if (random.chance(0.5)) return { orderId: answered.orderId };
    return { storeId: answered.storeId, orderNumber: answered.orderNumber };
  }
}

async function eventsOf(life: ServerLife): Promise<readonly VerifyEvent[]> {
  const events: VerifyEvent[] = [];
  for await (const event of life.ledger.reads.verify(undefined)) events.push(event);
  return events;
}
