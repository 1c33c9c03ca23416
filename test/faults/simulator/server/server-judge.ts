import type { Allocation, AllocationRequest } from '../../../../src/core/allocation.ts';
import type { Allocated, Caller } from '../../../../src/core/calls/caller.ts';
import type { OrderError } from '../../../../src/core/errors.ts';
import type { Reason } from '../../../../src/core/reasons.ts';
import type { BatchAllocateOrdersResult } from '../../../../src/wire/gen/orders/v1/orders.ts';
import type { IndexedDisk } from '../engine/indexed-disk.ts';
import { keyOf } from '../../seeded/run-judge.ts';

/** One request of a call, from its arrival at the allocator to its answer. */
export interface Place {
  readonly key: string;
  readonly count: number;
  readonly caller: Pick<Caller, 'signal' | 'origin'>;
  /** In the order of arrival. */
  readonly order: number;
  /** Whether a batch that has it was formed. */
  isFormed: boolean;
  isAnswered: boolean;
}

/** A key on its way, with all places that wait for it. */
interface Entry {
  /** The place that named it. */
  readonly first: Place;
  readonly places: Place[];
  isFormed: boolean;
  /** Whether its row existed before its batch was formed. */
  wasKnown: boolean;
  /** Callers that were told that the pair is new. */
  toldNew: number;
  /** Callers that were there when the answer came. */
  present: number;
}

/** What a {@link ServerJudge} reports to. */
export interface JudgeRecord {
  readonly disk: IndexedDisk;
  /** Over all lives: keys of which a caller was told that the pair is new. */
  readonly toldNew: Set<string>;
  readonly limits: { readonly maxBatch: number; readonly maxQueue: number };
  isAlive(): boolean;
  violated(sentence: string): void;
  reached(branch: string): void;
}

/** What a caller may be told after its batch was formed, beside its numbers. */
const AFTER_FORMING: ReadonlySet<Reason> = new Set([
  'OUTCOME_UNKNOWN',
  'LEDGER_FULL',
  'REQUEST_ID_MISMATCH',
  'STORE_NOT_FOUND',
  'SEQUENCE_EXHAUSTED',
]);

/** Watches over one life of a server, call by call: what no client can see. */
export class ServerJudge {
  readonly #record: JudgeRecord;
  readonly #entries = new Map<string, Entry>();
  readonly #lastOrder = new Map<string, number>();
  #arrivals = 0;

  constructor(record: JudgeRecord) {
    this.#record = record;
  }

  /** Requests that wait for an answer. */
  get unanswered(): number {
    return this.#entries.size;
  }

  arrived(asked: AllocationRequest, caller: Caller): Place {
    const order = this.#arrivals++;
    return { key: keyOf(asked), count: asked.count, caller, order, isFormed: false, isAnswered: false };
  }

  queued(place: Place, queueLength: number): void {
    const entry = this.#entries.get(place.key);
    if (entry) {
      this.#record.reached('a copy joined its original');
      if (entry.isFormed) this.#record.reached('a copy joined a batch under way');
      place.isFormed = entry.isFormed;
      entry.places.push(place);
      if (entry.first.count !== place.count) {
        this.#violated(`P5: a copy of ${place.key} with another count was joined to it`);
      }
    } else {
      const own = { isFormed: false, wasKnown: false, toldNew: 0, present: 0 };
      this.#entries.set(place.key, { first: place, places: [place], ...own });
    }
    if (queueLength > this.#record.limits.maxQueue) this.#violated('P6: more requests wait than the queue may have');
  }

  refusedAtOnce(place: Place, { reason }: OrderError): void {
    place.isAnswered = true;
    this.#record.reached(`refused at once: ${reason}`);
    if (reason === 'OUTCOME_UNKNOWN') this.#violated('P6: a request that was not queued has an unknown outcome');
  }

  /** A batch is formed, and its commit begins in the same turn. */
  forming(batch: readonly AllocationRequest[]): void {
    const { limits, disk, reached } = this.#record;
    if (batch.length > limits.maxBatch) this.#violated(`a batch has ${batch.length} requests`);
    reached(batch.length === 1 ? 'a batch of one' : batch.length === limits.maxBatch ? 'a full batch' : 'a batch');
    const keys = new Set<string>();
    for (const request of batch) {
      const key = keyOf(request);
      if (keys.has(key)) this.#violated(`P5: a batch has ${key} twice`);
      keys.add(key);
      const entry = this.#entries.get(key);
      if (!entry) {
        this.#violated(`P6: a batch has ${key}, for which nobody waits`);
        continue;
      }
      entry.isFormed = true;
      entry.wasKnown = disk.byKey.has(key);
      for (const place of entry.places) place.isFormed = true;
      if (entry.places.every(({ isAnswered, caller }) => isAnswered || caller.signal.aborted)) {
        this.#violated(`P6: a number for ${key}, whose callers had gone before its batch was formed`);
      }
      this.#inTurn(entry.first);
    }
  }

  resolved(place: Place, { allocation, replayed }: Allocated): void {
    const { disk, toldNew } = this.#record;
    const { key, count } = place;
    if (keyOf(allocation) !== key) this.#violated(`P5: ${key} was given the numbers of ${keyOf(allocation)}`);
    if (allocation.count !== count) this.#violated(`P5: ${key} asked for ${count} numbers and got ${allocation.count}`);
    if (!isSame(disk.byKey.get(keyOf(allocation)), allocation)) {
      this.#violated(`P4: ${key} was answered before its numbers were on disk`);
    }
    const entry = this.#entries.get(key);
    if (!place.isFormed) this.#violated(`P4: ${key} was answered without a batch`);
    if (entry) {
      if (!place.caller.signal.aborted) entry.present++;
      if (!replayed) entry.toldNew++;
    }
    if (!replayed) {
      if (entry?.wasKnown) this.#violated(`P5: ${key} was told as new, although its numbers were known`);
      if (toldNew.has(key)) this.#violated(`P5: ${key} was told as new twice`);
      toldNew.add(key);
    }
    this.#record.reached(replayed ? 'answered with a replay' : 'answered with new numbers');
    this.#answered(place);
  }

  rejected(place: Place, { reason }: OrderError): void {
    const { key, count, isFormed } = place;
    const isNew = this.#entries.get(key)?.wasKnown === false;
    this.#record.reached(`refused ${isFormed ? 'after' : 'before'} its batch was formed: ${reason}`);
    if (isFormed && !AFTER_FORMING.has(reason)) {
      this.#violated(`P7: ${key}, whose batch was under way, was told ${reason}`);
    }
    if (isFormed && isNew && reason !== 'OUTCOME_UNKNOWN' && this.#record.disk.byKey.get(key)?.count === count) {
      this.#violated(`P7: ${key}, whose numbers are on disk, was told ${reason}`);
    }
    this.#answered(place);
  }

  /** The answer to a combined call has one result per request, in their order. */
  sent(asked: readonly string[], results: readonly BatchAllocateOrdersResult[]): void {
    if (results.length !== asked.length) {
      return this.#violated(`an answer has ${results.length} results for ${asked.length} requests`);
    }
    for (const [i, { result }] of results.entries()) {
      const allocation = result?.$case === 'response' ? result.value.allocation : undefined;
      if (allocation && keyOf(allocation) !== asked[i]) {
        this.#violated(`P5: ${asked[i]} was sent the numbers of ${keyOf(allocation)}`);
      }
    }
  }

  #answered(place: Place): void {
    if (place.isAnswered) this.#violated(`${place.key} was answered twice`);
    place.isAnswered = true;
    const entry = this.#entries.get(place.key);
    if (!entry?.places.every(({ isAnswered }) => isAnswered)) return;
    this.#entries.delete(place.key);
    if (entry.present > 0 && !entry.wasKnown && entry.toldNew !== 1) {
      this.#violated(`P5: new numbers of ${place.key} were told as new ${entry.toldNew} times`);
    }
  }

  /** Requests of one origin are numbered in the order in which they came. */
  #inTurn({ caller: { origin }, order, key }: Place): void {
    if ((this.#lastOrder.get(origin) ?? -1) > order) {
      this.#violated(`P3: ${key} was overtaken by a later request of ${origin}`);
    }
    this.#lastOrder.set(origin, order);
  }

  #violated(sentence: string): void {
    if (this.#record.isAlive()) this.#record.violated(sentence);
  }
}

function isSame(row: Allocation | undefined, told: Allocation): boolean {
  return row?.orderId === told.orderId && row.orderNumber === told.orderNumber && row.count === told.count;
}
