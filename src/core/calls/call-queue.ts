import type { Caller } from './caller.ts';
import { cancelled, queueFull } from '../refusals.ts';

/** How often a queue looks for cancelled calls; while it is full, it also does so when another call arrives. */
const SWEEP_MS = 100;
const SWEEP_WHEN_FULL_MS = 5;

/** Calls of one kind. */
export interface Lane {
  /** Calls that run at the same time, at most. */
  readonly maxRunning: number;
  /** Calls waiting, at most. */
  readonly maxWaiting: number;
}

export interface CallQueueOptions<Name extends string> {
  /** Calls waiting in all lanes, at most. */
  readonly maxWaiting: number;
  readonly lanes: Readonly<Record<Name, Lane>>;
  /** Resolves when a call may begin; a rejection refuses everything that waits. Without it calls may always begin. */
  ready?(): Promise<void>;
}

interface Waiting extends Pick<Caller, 'signal' | 'origin'> {
  /** Never rejects. */
  begin(): Promise<void>;
  refuse(error: unknown): void;
}

interface LaneState extends Lane {
  running: number;
  waiting: Waiting[];
}

/**
 * Lets few calls run at the same time and many wait, each kind in a lane of its own, so that no kind keeps another
 * waiting. Calls that were cancelled or whose deadline passed are dropped before they begin. While there is no room, a
 * caller that waits with fewer calls than another takes the place of the newest of that one.
 */
export class CallQueue<Name extends string> {
  readonly #lanes: ReadonlyMap<Name, LaneState>;
  readonly #maxWaiting: number;
  readonly #ready: (() => Promise<void>) | undefined;
  readonly #full = queueFull();
  #lastSweep = 0;
  #sweepIsDue = false;

  constructor({ maxWaiting, lanes, ready }: CallQueueOptions<Name>) {
    const named = Object.entries(lanes) as [Name, Lane][];
    this.#lanes = new Map(named.map(([name, lane]) => [name, { ...lane, running: 0, waiting: [] }]));
    this.#maxWaiting = maxWaiting;
    this.#ready = ready;
  }

  /** Calls waiting in all lanes. */
  get length(): number {
    return [...this.#lanes.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Runs `work` when it is this call's turn. Rejects with QUEUE_FULL or CANCELLED if it never ran, or as `work` does. */
  async run<Result>(
    name: Name,
    { signal, origin }: Pick<Caller, 'signal' | 'origin'>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const lane = this.#lanes.get(name)!;
    if (this.#isFull(lane)) this.#sweepNow();
    if (this.#isFull(lane) && !this.#displace(lane, origin)) throw this.#full;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    lane.waiting.push({ signal, origin, begin: async () => work().then(resolve, reject), refuse: reject });
    if (lane.running < lane.maxRunning) void this.#work(lane);
    if (!this.#sweepIsDue && lane.waiting.length > 0) this.#sweepLater();
    return promise;
  }

  #isFull({ running, maxRunning, maxWaiting, waiting }: LaneState): boolean {
    if (running < maxRunning) return false;
    return waiting.length >= maxWaiting || this.length >= this.#maxWaiting;
  }

  /** Refuses the newest call of the caller that waits with most. Returns false if that is no fairer. */
  #displace(lane: LaneState, origin: string): boolean {
    const lanes = lane.waiting.length >= lane.maxWaiting ? [lane] : [...this.#lanes.values()];
    const byOrigin = Map.groupBy(
      lanes.flatMap(({ waiting }) => waiting),
      (call) => call.origin,
    );
    const most = [...byOrigin.values()].reduce((one, other) => (other.length > one.length ? other : one), []);
    // With one more call, the caller must not have as many as the other one then has, or it would be displaced in turn.
    if ((byOrigin.get(origin)?.length ?? 0) + 1 >= most.length) return false;
    const newest = most.at(-1)!;
    for (const one of lanes) one.waiting = one.waiting.filter((call) => call !== newest);
    newest.refuse(this.#full);
    return true;
  }

  /** One of `maxRunning` workers, at most: runs calls until none waits. */
  async #work(lane: LaneState): Promise<void> {
    lane.running++;
    while (lane.waiting.length > 0) {
      try {
        if (this.#ready) await this.#ready();
      } catch (error) {
        for (const { refuse } of lane.waiting.splice(0)) refuse(error);
        continue;
      }
      const next = lane.waiting.shift();
      if (next?.signal.aborted) next.refuse(cancelled());
      else await next?.begin();
    }
    lane.running--;
  }

  #sweepNow(): void {
    const now = performance.now();
    if (now - this.#lastSweep < SWEEP_WHEN_FULL_MS) return;
    this.#lastSweep = now;
    for (const lane of this.#lanes.values()) {
      lane.waiting = lane.waiting.filter(({ signal, refuse }) => {
        if (signal.aborted) refuse(cancelled());
        return !signal.aborted;
      });
    }
  }

  #sweepLater(): void {
    this.#sweepIsDue = true;
    setTimeout(() => {
      this.#sweepNow();
      this.#sweepIsDue = false;
      if (this.length > 0) this.#sweepLater();
    }, SWEEP_MS).unref();
  }
}
