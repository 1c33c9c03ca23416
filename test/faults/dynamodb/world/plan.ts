import { Random } from '../../seeded/random.ts';
import type { Fault, Kind } from '../table/fates.ts';
import { COMMON } from '../table/fates.ts';
import type { Point } from '../table/simulated-client.ts';
import type { Scene } from './scenes.ts';
import { createRace, olderCopy } from './scenes.ts';

/** One allocation that a caller asks for. */
export interface PlannedCall {
  readonly atMs: number;
  /** The place of the server; the next one takes it if that is down. */
  readonly server: number;
  readonly storeId: bigint;
  readonly requestId: string;
  readonly count: number;
  readonly cancelAfterMs: number | undefined;
  /** How often its caller tries again somewhere else if the outcome is unknown. */
  readonly retries: number;
}

/** What is asked of a server beside allocations. */
export type Question =
  'create store' | 'update store' | 'get store' | 'look up' | 'list allocations' | 'list stores' | 'end' | 'verify';

/** One fault, or another event, at a time of its own. */
export type PlannedEvent = { readonly atMs: number } & (
  | { readonly what: 'kill'; readonly server: number; readonly downMs: number }
  | { readonly what: 'kill at'; readonly kind: Kind; readonly point: Point; readonly downMs: number }
  | { readonly what: 'stop'; readonly server: number; readonly downMs: number }
  | { readonly what: 'aim'; readonly kind: Kind; readonly fault: Fault }
  | { readonly what: 'clock jumps'; readonly server: number; readonly ms: number }
  | { readonly what: 'denied' | 'throttled' | 'writes throttled' | 'table gone'; readonly ms: number }
  | { readonly what: 'older copy'; readonly goneMs: number; readonly ms: number }
  | { readonly what: Question; readonly server: number; readonly storeId: bigint; readonly draw: number }
);

export interface PlannedServer {
  readonly startMs: number;
  readonly aheadMs: number;
  readonly maxBatch: number;
}

/** One that follows all allocations, or those of a store. */
export interface PlannedWatcher {
  readonly server: number;
  readonly storeId: bigint | undefined;
  readonly fromTheStart: boolean;
}

export interface Plan {
  readonly seed: number;
  readonly requestSeed: number;
  /** The share of requests that have a fault. */
  readonly faultShare: number;
  readonly paceMs: number;
  readonly autoCreateStores: boolean;
  readonly servers: readonly PlannedServer[];
  readonly calls: readonly PlannedCall[];
  readonly events: readonly PlannedEvent[];
  readonly watchers: readonly PlannedWatcher[];
}

const CALLS = 200;
/** 7 and 23 are in one list of stores. */
const STORES = [7n, 8n, 23n, 39n, 100n, 2n ** 53n + 5n] as const;
const AHEAD_MS = [0, 0, 0, 1, -1, 400, -400, 5000, -3_600_000];

/** Draws a plan from a seed. */
export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const servers = random.pick([2, 2, 3, 3, 4, 5, 6, 8]);
  const endMs = random.pick([400, 1500, 3000]);
  const autoCreateStores = random.chance(0.7);
  const stores = STORES.slice(0, random.between(1, STORES.length));
  const calls = plannedCalls(random, servers, endMs, stores);
  const events = plannedEvents(random, servers, endMs, stores, autoCreateStores);
  const scenes: Scene[] = [];
  if (random.chance(0.12)) scenes.push(olderCopy(random, servers, endMs, stores));
  if (!autoCreateStores && random.chance(0.5)) scenes.push(createRace(random, servers, endMs));
  for (const scene of scenes) {
    calls.push(...scene.calls);
    events.push(...scene.events);
  }
  return {
    seed,
    requestSeed: random.below(2 ** 31),
    faultShare: random.pick([0.01, 0.01, 0.02, 0.03, 0.05]),
    paceMs: random.pick([0.5, 1, 2, 4]),
    autoCreateStores,
    servers: Array.from({ length: servers }, () => ({
      startMs: random.pick([0, 0, 1, 3, 40, 200]),
      aheadMs: random.pick(AHEAD_MS),
      maxBatch: random.pick([3, 10, 50, 500]),
    })),
    calls,
    events,
    watchers: Array.from({ length: random.pick([0, 1, 1, 2]) }, () => ({
      server: random.below(servers),
      storeId: random.chance(0.5) ? random.pick(stores) : undefined,
      fromTheStart: random.chance(0.7),
    })),
  };
}

function plannedCalls(random: Random, servers: number, endMs: number, stores: readonly bigint[]): PlannedCall[] {
  const calls: PlannedCall[] = [];
  let name = 0;
  while (calls.length < CALLS) {
    const atMs = 5 + Math.floor(random.fraction() * endMs);
    const server = random.below(servers);
    // At the same time: they share a batch.
    for (let size = random.pick([1, 2, 3, 5, 8, 13, 30]); size > 0; size--) {
      const call: PlannedCall = {
        atMs,
        server,
        storeId: random.pick(stores),
        requestId: `k${name++}`,
        count: random.chance(0.85) ? 1 : random.pick([2, 5, 40, 1000]),
        cancelAfterMs: random.chance(0.08) ? random.pick([0, 1, 5, 20, 100, 3100]) : undefined,
        retries: random.pick([0, 1, 3]),
      };
      calls.push(call);
      // A copy to another server at once, or a retry later; now and then with another count.
      if (random.chance(0.75)) continue;
      const count = random.chance(0.05) ? call.count + 1 : call.count;
      const laterMs = random.chance(0.7) ? random.below(4) : random.below(endMs);
      calls.push({ ...call, count, atMs: atMs + laterMs, server: random.below(servers), cancelAfterMs: undefined });
    }
  }
  return calls.toSorted((a, b) => a.atMs - b.atMs);
}

function plannedEvents(
  random: Random,
  servers: number,
  endMs: number,
  stores: readonly bigint[],
  autoCreateStores: boolean,
): PlannedEvent[] {
  const some = <Event>(least: number, most: number, event: (atMs: number) => Event): Event[] =>
    Array.from({ length: random.between(least, most) }, () => event(5 + random.below(endMs)));
  const server = () => random.below(servers);
  const downMs = () => random.pick([5, 50, 300, 2500]);
  const ask = (what: Question, atMs: number) => {
    return { atMs, what, server: server(), storeId: random.pick(stores), draw: random.below(2 ** 30) };
  };
  const kinds: readonly Kind[] = ['log put', 'log put', 'index write', 'index write', 'raise', 'read'];
  return [
    ...some(3, 5, (atMs) => ({ atMs, what: 'kill' as const, server: server(), downMs: downMs() })),
    ...some(1, 3, (atMs) => {
      const point = random.pick<Point>(['sent', 'done', 'answered']);
      return { atMs, what: 'kill at' as const, kind: random.pick(kinds.slice(0, 5)), point, downMs: downMs() };
    }),
    ...some(0, 1, (atMs) => ({ atMs, what: 'stop' as const, server: server(), downMs: downMs() })),
    ...some(12, 16, (atMs) => ({ atMs, what: 'aim' as const, ...aimed(random, random.pick(kinds)) })),
    // So many that every run has ten faults, even one whose servers are refused most of the time.
    ...some(6, 8, (atMs) => {
      return { atMs, what: 'clock jumps' as const, server: server(), ms: random.pick([-86_400_000, -900, 700, 4000]) };
    }),
    ...some(1, 2, (atMs) => {
      const what = random.pick(['denied', 'throttled', 'writes throttled', 'table gone'] as const);
      return { atMs, what, ms: random.pick([30, 300, 2000, 4000]) };
    }),
    ...(autoCreateStores ? [] : stores.map((storeId, i) => ({ ...ask('create store', 5 + 20 * i), storeId }))),
    ...some(0, 2, (atMs) => ask('create store', atMs)),
    ...some(2, 5, (atMs) => ask('update store', atMs)),
    // Most of them when there is something to see.
    ...some(1, 4, (atMs) => ask('get store', 2 * atMs)),
    ...some(3, 6, (atMs) => ask('look up', 2 * atMs)),
    ...some(5, 10, (atMs) => ask('list allocations', 200 + 2 * atMs)),
    ...some(0, 1, (atMs) => ask('list stores', 2 * atMs)),
    ...some(0, 2, (atMs) => ask('end', 2 * atMs)),
    ...(random.chance(0.3) ? some(1, 1, (atMs) => ask('verify', 150 + (atMs % 400))) : []),
  ].toSorted((a, b) => a.atMs - b.atMs);
}

function aimed(random: Random, kind: Kind): { kind: Kind; fault: Fault } {
  if (kind === 'log put' && random.chance(0.2)) return { kind, fault: 'taken, without the item' };
  if ((kind === 'index write' || kind === 'read') && random.chance(0.4)) return { kind, fault: 'partly done' };
  return { kind, fault: random.pick(COMMON) };
}
