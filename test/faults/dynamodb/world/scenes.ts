import type { Random } from '../../seeded/random.ts';
import type { PlannedCall, PlannedEvent } from './plan.ts';

// What chance alone would hardly ever bring about: several events that have to meet.

/** What a scene adds to a plan. */
export interface Scene {
  readonly calls: readonly PlannedCall[];
  readonly events: readonly PlannedEvent[];
}

/** No request is repeated for this long: a table that is another one was gone for longer. */
const LONG_GONE_MS = 14_500;
/** A store that nothing else creates. */
const NEW_STORE = 555n;
/** How long after a put its writer has certainly tried to write the items. */
const ITEMS_MS = 40;

/**
 * The table is replaced by an older copy for a while, and put back: beside the calls, or once the servers are idle, perhaps
 * with items that are not written yet. While the copy is there, all servers are asked for something.
 */
export function olderCopy(random: Random, servers: number, endMs: number, stores: readonly bigint[]): Scene {
  const isIdle = random.chance(0.5);
  const atMs = 5 + random.below(endMs) + (isIdle ? 2 * endMs + 4000 : 0);
  const calls: PlannedCall[] = [];
  const events: PlannedEvent[] = [];
  const call = (server: number, requestId: string, callMs: number) => {
    const storeId = random.pick(stores);
    calls.push({ atMs: callMs, server, storeId, requestId, count: 1, cancelAfterMs: undefined, retries: 1 });
  };
  if (isIdle && random.chance(0.5)) {
    for (let i = 0; i < 4; i++) {
      events.push({ atMs: atMs - ITEMS_MS - 10, what: 'aim', kind: 'index write', fault: 'request lost' });
    }
    call(random.below(servers), 'before', atMs - ITEMS_MS);
  }
  events.push({ atMs, what: 'older copy', goneMs: LONG_GONE_MS, ms: LONG_GONE_MS });
  const copiedMs = atMs + LONG_GONE_MS;
  for (let server = 0; server < servers; server++) {
    call(server, `late-${server}`, copiedMs + 2000 + random.below(8000));
    const what = random.pick(['look up', 'list allocations', 'get store'] as const);
    const draw = random.below(2 ** 30);
    events.push({ atMs: copiedMs + random.below(9000), what, server, storeId: random.pick(stores), draw });
  }
  return { calls, events };
}

/** A store is created at one server while the others read the log, and are asked for numbers of it. */
export function createRace(random: Random, servers: number, endMs: number): Scene {
  const atMs = 300 + random.below(endMs);
  const asked = { storeId: NEW_STORE, draw: 0 };
  const events: PlannedEvent[] = [{ ...asked, atMs, what: 'create store', server: random.below(servers) }];
  const calls: PlannedCall[] = [];
  for (let i = 0; i < 12; i++) {
    const server = random.below(servers);
    const laterMs = random.below(random.pick([10, 40]));
    events.push({ ...asked, atMs: atMs + laterMs, what: 'end', server });
    const call = { server, storeId: NEW_STORE, requestId: `new-${i}`, count: 1, cancelAfterMs: undefined, retries: 0 };
    calls.push({ ...call, atMs: atMs + laterMs + random.below(8) });
  }
  return { calls, events };
}
