import { createClient } from '../../../../src/client/client.ts';
import type { OrderNumbersClient } from '../../../../src/client/api.ts';
import { OrderNumbersError } from '../../../../src/client/order-numbers-error.ts';
import type { IndexedDisk } from '../engine/indexed-disk.ts';
import type { VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { Plan, PlannedCall, PlannedEvent, PlannedWatcher } from './plan.ts';
import type { SeenCall, SeenWatch } from '../../seeded/run-judge.ts';
import type { RunRecord } from '../../seeded/run-record.ts';

/** A call may take this much longer than its time: timers are late, and a last attempt is looked into. */
const SLACK_MS = 700;
const LEFT = new Error('the customer left');

/** The clients of a run, and what their callers saw. */
export class Callers {
  readonly calls: SeenCall[] = [];
  readonly watches: SeenWatch[] = [];
  readonly #plan: Plan;
  readonly #record: RunRecord;
  readonly #clock: VirtualClock;
  readonly #disk: IndexedDisk;
  readonly #clients: readonly OrderNumbersClient[];
  readonly #watching: { watch: SeenWatch; stop: AbortController }[] = [];
  #ended = 0;
  #isOver = false;

  constructor(plan: Plan, record: RunRecord, clock: VirtualClock, disk: IndexedDisk) {
    this.#plan = plan;
    this.#record = record;
    this.#clock = clock;
    this.#disk = disk;
    this.#clients = plan.clients.map(({ combine, attemptTimeoutMs, tellsRetrying }, i) =>
      createClient({
        // The simulated channel takes the number of the client from here.
        address: `127.0.0.1:${i + 1}`,
        combine,
        attemptTimeoutMs,
        ...(tellsRetrying && { onRetrying: () => record.reached('a slow call was reported') }),
      }),
    );
  }

  get areAnswered(): boolean {
    return this.#ended === this.#plan.calls.length;
  }

  get unanswered(): number {
    return this.#plan.calls.length - this.#ended;
  }

  get haveSeenAll(): boolean {
    return this.#watching.every(({ watch }) => watch.cursor >= this.#disk.lastOrderId);
  }

  begin(): void {
    for (const call of this.#plan.calls) this.#clock.after(call.atMs, () => void this.#call(call));
    for (const watcher of this.#plan.watchers) {
      this.#watch(watcher, watcher.fromTheStart ? 0n : undefined);
    }
  }

  end(): void {
    this.#isOver = true;
    for (const { stop } of this.#watching) stop.abort();
    for (const client of this.#clients) client.close();
  }

  disturb(event: PlannedEvent): void {
    if (this.#isOver) return;
    if (event.what === 'create store') void this.#createStore(event.client, event.storeId);
    if (event.what === 'update store') void this.#updateStore(event.client, event.storeId);
    if (event.what === 'lookup') void this.#lookUp(event.client);
    if (event.what === 'watch ended') this.#endWatch(event.watcher);
  }

  async #call(planned: PlannedCall): Promise<void> {
    const { storeId, requestId, count, timeoutMs, cancelAfterMs, client } = planned;
    const began = this.#clock.nowMs;
    const seen: SeenCall = {
      storeId,
      requestId,
      count,
      start: this.#clock.turns,
      end: Infinity,
      answer: undefined,
      error: undefined,
    };
    const name = `${this.calls.push(seen)}: ${storeId} ${requestId ?? '(no key)'} × ${count}`;
    this.#record.note('call', `${name}, client ${client}`);
    const stop = cancelAfterMs === undefined ? undefined : new AbortController();
    if (cancelAfterMs === 0) stop?.abort(LEFT);
    else if (stop) this.#clock.after(cancelAfterMs!, () => stop.abort(LEFT));
    try {
      const answer = await this.#clients[client]!.allocate(
        { storeId, count, ...(requestId !== undefined && { requestId }) },
        { timeoutMs, ...(stop && { signal: stop.signal }) },
      );
      seen.answer = answer;
      seen.requestId ??= answer.requestId;
      this.#record.reached(answer.replayed ? 'caller: a replay' : 'caller: new numbers');
      this.#record.note('answer', `${name}: ${answer.orderId} ${answer.replayed ? 'replayed' : ''}`);
    } catch (error) {
      if (!(error instanceof OrderNumbersError)) {
        this.#record.violated(`call ${name} failed with ${String(error)}`);
      } else {
        seen.error = error;
        seen.requestId ??= error.requestId;
        this.#record.reached(`caller: ${error.outcome} ${error.reason ?? error.code}`);
        this.#record.note('error', `${name}: ${error.outcome} ${error.reason ?? error.code}`);
      }
    }
    seen.end = this.#clock.turns;
    this.#ended++;
    if (this.#clock.nowMs - began > timeoutMs + SLACK_MS) {
      this.#record.violated(`call ${name} took ${this.#clock.nowMs - began} ms, and its limit is ${timeoutMs}`);
    }
  }

  #watch({ client, storeId }: Pick<PlannedWatcher, 'client' | 'storeId'>, after: bigint | undefined): void {
    const watch: SeenWatch = { storeId, start: after, cursor: after ?? -1n, rows: [] };
    const stop = new AbortController();
    this.watches.push(watch);
    this.#watching.push({ watch, stop });
    const steps = this.#clients[client]!.watchAllocations(
      { storeId, ...(after !== undefined && { afterOrderId: after }) },
      { signal: stop.signal, onInterrupted: () => this.#record.reached('a watch was interrupted') },
    );
    const read = async () => {
      for await (const { allocations, cursor } of steps) {
        watch.start ??= cursor;
        watch.rows.push(...allocations.map(({ orderId }) => orderId));
        watch.cursor = cursor;
        if (allocations.length > 0) this.#record.reached('a watcher saw new rows');
        this.#record.note('watched', `up to ${cursor}`);
      }
    };
    read().catch((error: unknown) => {
      if (!stop.signal.aborted) this.#record.violated(`a watch failed with ${String(error)}`);
    });
  }

  /** Ends it, and begins another one at its cursor. */
  #endWatch(number: number): void {
    const ended = this.#watching[number];
    if (!ended || ended.watch.start === undefined) return;
    this.#watching.splice(number, 1);
    ended.stop.abort();
    this.#record.injected('watch ended');
    const { storeId } = this.#plan.watchers[number]!;
    this.#watch({ client: 0, storeId }, ended.watch.cursor);
  }

  async #createStore(client: number, storeId: bigint): Promise<void> {
    try {
      await this.#clients[client]!.createStore({ storeId, firstNumber: 5000n, prefix: 'A-' }, { timeoutMs: 2000 });
      this.#record.reached('a store was created');
      if (!this.#disk.stores.has(storeId)) this.#record.violated(`P4: store ${storeId} was created, and has no row`);
    } catch (error) {
      this.#record.reached(`create store: ${(error as OrderNumbersError).outcome}`);
    }
  }

  async #updateStore(client: number, storeId: bigint): Promise<void> {
    try {
      const { prefix } = await this.#clients[client]!.updateStore(storeId, { prefix: 'B-' }, { timeoutMs: 2000 });
      this.#record.reached('a store was updated');
      if (prefix !== 'B-') this.#record.violated(`store ${storeId} was updated, and has the prefix ${prefix}`);
    } catch (error) {
      this.#record.reached(`update store: ${(error as OrderNumbersError).outcome}`);
    }
  }

  /** What was answered can be looked up from then on. */
  async #lookUp(client: number): Promise<void> {
    const known = this.calls.findLast(({ answer }) => answer !== undefined)?.answer;
    if (!known) return;
    const { storeId, requestId, orderId } = known;
    try {
      const found = await this.#clients[client]!.getAllocation({ storeId, requestId }, { timeoutMs: 2000 });
      this.#record.reached('a lookup found its row');
      if (found.orderId !== orderId) this.#record.violated(`P5: a lookup found ${found.orderId} for ${orderId}`);
    } catch (error) {
      const { code, reason } = error as OrderNumbersError;
      this.#record.reached(`a lookup ended with ${reason ?? code}`);
      if (code === 'NOT_FOUND') this.#record.violated(`P4: a lookup does not find order_id ${orderId}`);
    }
  }
}
