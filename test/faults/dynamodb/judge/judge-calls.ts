import type { SeenCall } from '../../seeded/run-judge.ts';
import { keyOf } from '../../seeded/run-judge.ts';
import type { LogWalk } from './log-walk.ts';
import type { SeenChange } from './seen.ts';

type Violated = (sentence: string) => void;

/** What an answered allocation or change of a store has in common. */
interface Done {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  readonly position: number;
}

/** Judges what the judge of all simulators does not know: positions in the log, settings, and who is told what is new. */
export function judgeCalls(
  log: LogWalk,
  calls: readonly SeenCall[],
  changes: readonly SeenChange[],
  violated: Violated,
): void {
  const done: Done[] = [];
  // A copy of a request under way shares its refusal.
  const asked = new Map<string, number>();
  for (const { storeId, requestId, start, end, answer, error } of calls) {
    const key = keyOf({ storeId, requestId: requestId! });
    if (error?.reason === 'STORE_NOT_FOUND') {
      const first = asked.get(`${key} ${end}`) ?? start;
      asked.set(`${key} ${end}`, first);
      if (log.storeAt(storeId, log.headBefore(first))) {
        violated(`${key} was told STORE_NOT_FOUND, and its store was there before`);
      }
    }
    if (!answer) continue;
    const position = log.positionOf(answer);
    if (position > log.headBefore(end)) violated(`P4: ${key} was answered before it was in the log`);
    if (!answer.replayed) done.push({ what: key, start, end, position });
    if (answer.replayed && position > log.headBefore(end)) violated(`P4: a replay of ${key} is not in the log`);
  }
  for (const change of changes) {
    const position = judgeChange(log, change, violated);
    if (position !== undefined) {
      done.push({ what: `${change.what} ${change.prefix}`, start: change.start, end: change.end, position });
    }
  }
  order(done, violated);
  toldNew(calls, violated);
}

/** The position of a change that was done. */
function judgeChange(log: LogWalk, change: SeenChange, violated: Violated): number | undefined {
  const { what, storeId, prefix, firstNumber, start, end, refused, before, after } = change;
  const states = log.states.get(storeId) ?? [];
  const own = states.filter(({ store, isCreation }, i) => {
    const isNew = what === 'create store' ? isCreation : states[i - 1]?.store.prefix !== store.prefix;
    return store.prefix === prefix && isNew;
  });
  const name = `${what} ${storeId} ${prefix}`;
  if (own.length > 1) violated(`${name} was done ${own.length} times`);
  const [state] = own;
  if (refused === undefined) {
    if (!state || state.position > log.headBefore(end)) {
      violated(`P4: ${name} was answered, and the log does not have it`);
      return undefined;
    }
    if (!isSame(after, state.store)) violated(`${name} was answered with another store than the log has`);
    if (what === 'update store' && !isSame(before, log.storeAt(storeId, state.position - 1))) {
      violated(`${name} was told another store from before than the log has`);
    }
    return state.position;
  }
  if (refused === 'killed' || refused === 'OUTCOME_UNKNOWN') return undefined;
  if (state) violated(`P7: ${name} was told ${refused}, and the log has it`);
  const existed = log.storeAt(storeId, log.headBefore(start));
  const exists = log.storeAt(storeId, log.headBefore(end));
  if (refused === 'STORE_EXISTS' && !exists) violated(`${name} was told STORE_EXISTS, and there is none`);
  if (refused === 'STORE_NOT_FOUND' && existed) violated(`${name} was told STORE_NOT_FOUND, and it was there`);
  const isUsed = exists && exists.lastNumber >= exists.firstNumber;
  if (refused === 'FIRST_NUMBER_FIXED' && (firstNumber === undefined || !isUsed)) {
    violated(`${name} was told FIRST_NUMBER_FIXED, and it is not`);
  }
  return undefined;
}

/** P3 over all stores: of two that did not overlap, the later has the later entry; one of its own if it is a change. */
function order(done: readonly Done[], violated: Violated): void {
  const ended = done.toSorted((a, b) => a.end - b.end);
  let i = 0;
  let highest: Done | undefined;
  for (const each of done.toSorted((a, b) => a.start - b.start)) {
    for (; ended[i]!.end < each.start; i++) {
      if (!highest || ended[i]!.position > highest.position) highest = ended[i];
    }
    if (highest && each.position <= highest.position) {
      violated(`P3: ${each.what} began after ${highest.what} was answered, and is not behind it in the log`);
    }
  }
}

/** If all callers of a request have an answer, one of them was told that its numbers are new. */
function toldNew(calls: readonly SeenCall[], violated: Violated): void {
  const byKey = Map.groupBy(calls, ({ storeId, requestId }) => keyOf({ storeId, requestId: requestId! }));
  for (const [key, ofKey] of byKey) {
    if (ofKey.every(({ answer }) => answer?.replayed === true)) violated(`P5: nobody was told that ${key} is new`);
  }
}

function isSame(told: object | undefined, found: object | undefined): boolean {
  if (!told || !found) return told === found;
  const is = found as Readonly<Record<string, unknown>>;
  return Object.entries(told).every(([name, value]) => is[name] === value);
}
