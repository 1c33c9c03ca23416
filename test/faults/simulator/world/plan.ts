import type { WriteFault, WritePoint } from '../engine/simulated-ledger.ts';
import type { LifeSettings } from '../server/server-life.ts';
import { Random } from '../../seeded/random.ts';

/** One allocation that a caller asks for. */
export interface PlannedCall {
  readonly atMs: number;
  readonly client: number;
  readonly storeId: bigint;
  /** Undefined if the client creates it. */
  readonly requestId: string | undefined;
  readonly count: number;
  readonly timeoutMs: number;
  /** After this time its caller is no longer interested. */
  readonly cancelAfterMs: number | undefined;
}

/** What ends a life. */
export type Ending =
  | { readonly how: 'drain'; readonly limitMs: number }
  | { readonly how: 'kill at a time' }
  | { readonly how: 'kill at a write'; readonly point: WritePoint; readonly number: number }
  | { readonly how: 'kill at an answer'; readonly number: number }
  /** After this many timers, and then this many microtasks. */
  | { readonly how: 'kill at an await'; readonly turns: number; readonly microtasks: number };

/** One life of the server. */
export interface PlannedLife {
  readonly startMs: number;
  /** When it is killed, unless its ending comes first. */
  readonly endMs: number;
  readonly ending: Ending;
  readonly settings: LifeSettings;
  readonly autoCreateStores: boolean;
}

/** One fault, or another event, at a time of its own. */
export type PlannedEvent =
  | { readonly atMs: number; readonly what: 'write fault'; readonly fault: WriteFault; readonly reopenMs: number }
  | { readonly atMs: number; readonly what: 'slow write'; readonly ms: number }
  | { readonly atMs: number; readonly what: 'connection reset'; readonly client: number }
  | { readonly atMs: number; readonly what: 'clock jump'; readonly ms: number }
  | { readonly atMs: number; readonly what: 'create store'; readonly storeId: bigint; readonly client: number }
  | { readonly atMs: number; readonly what: 'update store'; readonly storeId: bigint; readonly client: number }
  | { readonly atMs: number; readonly what: 'lookup'; readonly client: number }
  | { readonly atMs: number; readonly what: 'watch ended'; readonly watcher: number };

/** What distinguishes the clients of a run. */
export interface PlannedClient {
  readonly combine: boolean;
  readonly attemptTimeoutMs: number;
  readonly tellsRetrying: boolean;
}

export interface PlannedWatcher {
  readonly client: number;
  readonly storeId: bigint | undefined;
  /** Whether it begins with history. */
  readonly fromTheStart: boolean;
}

/** Everything that a run does by itself; what its messages meet comes from `messageSeed`. */
export interface Plan {
  readonly seed: number;
  readonly clients: readonly PlannedClient[];
  readonly lives: readonly PlannedLife[];
  readonly calls: readonly PlannedCall[];
  readonly events: readonly PlannedEvent[];
  readonly watchers: readonly PlannedWatcher[];
  /** The share of the attempts that meet a fault. */
  readonly messageFaults: number;
  readonly messageSeed: number;
  /** Whether messages travel in their bytes, which takes most runs longer than it is worth. */
  readonly isEncoded: boolean;
}

const CALLS = 200;
const STORES = [7n, 8n, 9n, 9007199254740993n];
const WRITE_FAULTS: readonly WriteFault[] = [
  'not persisted',
  'not persisted',
  'persisted after all',
  'persisted after all',
  'never answers',
  'ledger full',
  'full after all',
  'cannot reopen',
];
const POINTS: readonly WritePoint[] = ['write begun', 'written', 'answer on its way'];

export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const clients = Array.from({ length: random.between(2, 4) }, () => ({
    combine: random.chance(0.8),
    attemptTimeoutMs: random.pick([100, 300, 1000, 5000]),
    tellsRetrying: random.chance(0.2),
  }));
  const lives = plannedLives(random.fork());
  const endMs = lives.at(-1)!.endMs;
  return {
    seed,
    clients,
    lives,
    calls: plannedCalls(random.fork(), clients.length, endMs),
    events: plannedEvents(random.fork(), clients.length, endMs),
    watchers: Array.from({ length: random.between(1, 3) }, () => ({
      client: random.below(clients.length),
      storeId: random.chance(0.3) ? random.pick(STORES) : undefined,
      fromTheStart: random.chance(0.7),
    })),
    messageFaults: random.pick([0.01, 0.03, 0.08]),
    messageSeed: random.below(2 ** 31),
    isEncoded: random.chance(0.2),
  };
}

function plannedLives(random: Random): PlannedLife[] {
  const lives: PlannedLife[] = [];
  const count = random.between(3, 5);
  // Most servers have room; a small queue is full often.
  const maxQueue = random.pick([4, 12, 40, 10_000]);
  let startMs = 0;
  for (let i = 0; i < count; i++) {
    const endMs = startMs + random.between(150, 900);
    lives.push({
      startMs,
      endMs,
      ending: i === count - 1 ? { how: 'drain', limitMs: 30_000 } : plannedEnding(random),
      settings: {
        maxBatch: random.pick([1, 3, 10, 1000]),
        maxQueue,
        maxQueueShare: random.pick([0.25, 0.5, 1]),
        isOld: random.chance(0.15),
        hasNames: random.chance(0.7),
        streamMs: random.pick([0, 1, 30]),
      },
      autoCreateStores: random.chance(0.9),
    });
    startMs = endMs + random.between(0, 250);
  }
  return lives;
}

function plannedEnding(random: Random): Ending {
  switch (random.below(6)) {
    case 0:
      return { how: 'drain', limitMs: random.pick([1, 20, 100, 5000]) };
    case 1:
      return { how: 'kill at a time' };
    case 2:
    case 3:
      return { how: 'kill at a write', point: random.pick(POINTS), number: random.between(1, 12) };
    case 4:
      return { how: 'kill at an answer', number: random.between(1, 40) };
    default:
      return { how: 'kill at an await', turns: random.between(20, 500), microtasks: random.below(12) };
  }
}

function plannedCalls(random: Random, clients: number, endMs: number): PlannedCall[] {
  const calls: PlannedCall[] = [];
  const named: PlannedCall[] = [];
  let name = 0;
  while (calls.length < CALLS) {
    const atMs = Math.floor(random.fraction() * endMs * 0.95);
    const client = random.below(clients);
    // Some at the same time: they are combined.
    for (let size = random.pick([1, 1, 1, 2, 3, 5, 8, 13, 30]); size > 0; size--) {
      const call: PlannedCall = {
        atMs: random.chance(0.8) ? atMs : atMs + random.below(20),
        client,
        storeId: random.pick(STORES),
        requestId: random.chance(0.9) ? `k${name++}` : undefined,
        count: random.chance(0.85) ? 1 : random.pick([2, 3, 5, 1000]),
        timeoutMs: random.pick([30, 200, 1000, 3000, 6000]),
        cancelAfterMs: random.chance(0.1) ? random.pick([0, 1, 2, 5, 20, 100, 500]) : undefined,
      };
      calls.push(call);
      if (call.requestId !== undefined) named.push(call);
    }
    if (named.length === 0 || random.chance(0.6)) continue;
    // A copy of an earlier call, racing with it or later; now and then with another count.
    const original = random.pick(named);
    calls.push({
      ...original,
      atMs: random.chance(0.5) ? original.atMs + random.below(6) : Math.max(atMs, original.atMs),
      client: random.chance(0.7) ? random.below(clients) : original.client,
      // Now and then the same name in another store, which is another request.
      storeId: random.chance(0.15) ? random.pick(STORES) : original.storeId,
      count: random.chance(0.15) ? original.count + 1 : original.count,
    });
  }
  const bad = { atMs: random.below(endMs), client: 0, timeoutMs: 1000, cancelAfterMs: undefined };
  calls.push(
    { ...bad, storeId: 0n, requestId: 'bad-store', count: 1 },
    { ...bad, storeId: 7n, requestId: 'bad-count', count: 1001 },
  );
  return calls.toSorted((a, b) => a.atMs - b.atMs);
}

function plannedEvents(random: Random, clients: number, endMs: number): PlannedEvent[] {
  const some = <Event>(least: number, most: number, event: (atMs: number) => Event): Event[] =>
    Array.from({ length: random.between(least, most) }, () => event(random.below(endMs)));
  const client = () => random.below(clients);
  return [
    ...some(1, 4, (atMs) => ({
      atMs,
      what: 'write fault' as const,
      fault: random.pick(WRITE_FAULTS),
      reopenMs: random.pick([0, 1, 10, 100, 400, 1500]),
    })),
    ...some(1, 3, (atMs) => ({ atMs, what: 'slow write' as const, ms: random.pick([30, 200, 800, 2500]) })),
    ...some(1, 4, (atMs) => ({ atMs, what: 'connection reset' as const, client: client() })),
    ...some(0, 2, (atMs) => ({
      atMs,
      what: 'clock jump' as const,
      ms: random.pick([-86_400_000, -1000, 500, 3000, 31_536_000_000]),
    })),
    ...some(0, 2, (atMs) => ({ atMs, what: 'create store' as const, storeId: random.pick(STORES), client: client() })),
    ...some(0, 2, (atMs) => ({ atMs, what: 'update store' as const, storeId: random.pick(STORES), client: client() })),
    ...some(0, 3, (atMs) => ({ atMs, what: 'lookup' as const, client: client() })),
    ...some(0, 1, (atMs) => ({ atMs, what: 'watch ended' as const, watcher: 0 })),
  ].toSorted((a, b) => a.atMs - b.atMs);
}
