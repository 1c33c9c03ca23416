import type { SeenWatch } from '../../seeded/run-judge.ts';
import type { RunRecord } from '../../seeded/run-record.ts';
import { NOBODY } from '../table/simulated-client.ts';
import type { Plan, PlannedWatcher } from './plan.ts';
import type { Servers } from './servers.ts';

/** Between the end of a watch and the next one. */
const AGAIN_MS = 60;

/**
 * Clients that follow allocations: whatever ends their watch, they go on at their cursor, perhaps at another server.
 */
export class Watchers {
  readonly watches: SeenWatch[] = [];
  readonly #plan: Plan;
  readonly #record: RunRecord;
  readonly #servers: Servers;
  readonly #stop = new AbortController();

  constructor(plan: Plan, record: RunRecord, servers: Servers) {
    this.#plan = plan;
    this.#record = record;
    this.#servers = servers;
  }

  begin(): void {
    for (const watcher of this.#plan.watchers) {
      const watch: SeenWatch = {
        storeId: watcher.storeId,
        start: watcher.fromTheStart ? 0n : undefined,
        cursor: watcher.fromTheStart ? 0n : -1n,
        rows: [],
      };
      this.watches.push(watch);
      this.#again(watcher, watch, 1);
    }
  }

  haveSeen(lastOrderId: bigint): boolean {
    return this.watches.every(({ cursor }) => cursor >= lastOrderId);
  }

  end(): void {
    this.#stop.abort();
  }

  #again(watcher: PlannedWatcher, watch: SeenWatch, ms: number): void {
    this.#servers.clock.after(ms, () => void (this.#stop.signal.aborted || this.#watch(watcher, watch)), NOBODY);
  }

  #watch(watcher: PlannedWatcher, watch: SeenWatch): void {
    const life = this.#servers.at(watcher.server);
    if (!life) return this.#again(watcher, watch, AGAIN_MS);
    this.#servers.as(life);
    const next = { ...watcher, server: watcher.server + 1 };
    const again = () => {
      life.onKilled.delete(again);
      this.#record.reached('a watch went on elsewhere');
      this.#again(next, watch, AGAIN_MS);
    };
    life.onKilled.add(again);
    const { signal } = this.#stop;
    const afterOrderId = watch.start === undefined ? undefined : watch.cursor;
    const follow = async () => {
      for await (const { allocations, cursor } of life.watch.watch({
        afterOrderId,
        storeId: watcher.storeId,
        signal,
      })) {
        if (life.process.isDead) return;
        watch.start ??= cursor;
        watch.rows.push(...allocations.map(({ orderId }) => orderId));
        watch.cursor = cursor;
        if (allocations.length > 0) this.#record.reached('a watcher saw new rows');
      }
    };
    follow().catch(() => void (life.process.isDead || again()));
  }
}
