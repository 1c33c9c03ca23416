import type { DeclaredLoss } from './check-sequences.ts';
import { isDeclaredLost } from './check-sequences.ts';
import type { Findings } from './findings.ts';
import type { Call, History } from './history.ts';
import { nameOf } from './history.ts';
import { isExpected } from './outcome.ts';
import type { Pair } from './pair.ts';
import { isSame, textOf } from './pair.ts';
import type { Rows } from './rows.ts';
import { keyOf } from './rows.ts';

/** A request that was answered: when it was first sent and first answered, and what with. */
export interface Allocated {
  readonly pair: Pair;
  startMs: number;
  readonly endMs: number;
  readonly call: Call;
}

/** The requests that were answered, and when each row of the ledger was first acknowledged, by its position. */
export interface Answers {
  readonly allocated: readonly Allocated[];
  readonly acknowledgedMs: Float64Array;
  readonly found: number;
}

/** P4, P5: each answer is in the ledger as it was given, to one request only, and told once that it is new. */
export function checkAnswers(
  history: History,
  rows: Rows,
  losses: readonly DeclaredLoss[],
  findings: Findings,
): Answers {
  const answered = history.calls.filter((call) => call.answer !== undefined);
  answered.sort(byOrderIdThenEnd);
  const unansweredMs = firstUnanswered(history);
  const acknowledgedMs = new Float64Array(rows.pairs.length).fill(Infinity);
  const allocated: Allocated[] = [];
  const astray: Call[] = [];
  let found = 0;
  for (let i = 0; i < answered.length;) {
    const first = answered[i]!;
    const { orderId } = first.answer!;
    const index = rows.indexOf(orderId);
    const row = rows.pairs[index];
    const group: Call[] = [];
    for (; answered[i]?.answer!.orderId === orderId; i++) {
      const call = answered[i]!;
      if (row && isSame(row, call.answer!)) {
        found++;
        acknowledgedMs[index] = Math.min(acknowledgedMs[index]!, call.endMs!);
      } else if (!isDeclaredLost(losses, call.answer!)) astray.push(call);
      if (isOneRequest(call, first)) group.push(call);
      else {
        findings.add(`order_id ${orderId} was given twice: to ${nameOf(first)} and to ${nameOf(call)}`, 'twice');
      }
    }
    checkReplays(group, findings);
    const startMs = Math.min(...group.map((call) => call.startMs), unansweredMs.get(keyOf(first.answer!)) ?? Infinity);
    allocated.push({ pair: first.answer!, startMs, endMs: first.endMs!, call: first });
  }
  reportLost(astray, answered, rows, findings);
  return { allocated, acknowledgedMs, found };
}

/** When each request was first sent whose first call had no answer. */
function firstUnanswered({ calls }: History): Map<string, number> {
  const startMs = new Map<string, number>();
  for (const call of calls) {
    if (!call.answer && !startMs.has(keyOf(call))) startMs.set(keyOf(call), call.startMs);
  }
  return startMs;
}

function byOrderIdThenEnd(a: Call, b: Call): number {
  if (a.answer!.orderId !== b.answer!.orderId) return a.answer!.orderId < b.answer!.orderId ? -1 : 1;
  return a.endMs! - b.endMs!;
}

/** Whether both calls are attempts at one request; of calls without a request_id each is a request of its own. */
function isOneRequest(call: Call, first: Call): boolean {
  if (call === first) return true;
  return call.requestId !== '' && first.requestId !== '' && keyOf(call.answer!) === keyOf(first.answer!);
}

/** P5: answers to one request are the same, and at most the first one is new. */
function checkReplays(group: readonly Call[], findings: Findings): void {
  const [first] = group;
  let fresh: Call | undefined;
  for (const call of group) {
    if (!isSame(call.answer!, first!.answer!)) {
      findings.add(
        `${nameOf(call)} was answered ${textOf(call.answer!)}, and ${nameOf(first!)} ${textOf(first!.answer!)}`,
      );
    }
    if (call.replayed) continue;
    if (call.startMs > first!.endMs!) {
      findings.add(`${nameOf(call)} was told that its pair is new, after ${nameOf(first!)} had been answered with it`);
    } else if (fresh) findings.add(`${nameOf(fresh)} and ${nameOf(call)} were both told that their pair is new`);
    fresh = call;
  }
}

/** P4: acknowledged, and not there; the sentence says what is there instead. */
function reportLost(astray: readonly Call[], answered: readonly Call[], rows: Rows, findings: Findings): void {
  if (astray.length === 0) return;
  const keys = new Set(astray.map(({ answer }) => keyOf(answer!)));
  const ofRequests = rows.ofRequests(keys);
  const otherAnswers = new Map<string, Call>();
  for (const call of answered) {
    const key = keyOf(call.answer!);
    if (keys.has(key) && !otherAnswers.has(key)) otherAnswers.set(key, call);
  }
  for (const call of astray) {
    const answer = call.answer!;
    const key = keyOf(answer);
    const given = `${nameOf(call)} was answered ${textOf(answer)}`;
    const other = otherAnswers.get(key)!;
    const own = rows.pairs[ofRequests.get(key) ?? -1];
    const inPlace = rows.pairs[rows.indexOf(answer.orderId)];
    if (!isSame(other.answer!, answer)) {
      findings.add(`${given}, and ${nameOf(other)} ${textOf(other.answer!)}: two answers to one request`, 'lost');
    } else if (own) findings.add(`${given}, and the ledger has ${textOf(own)} for that request`, 'lost');
    else if (inPlace) findings.add(`${given}, and the ledger has ${textOf(inPlace)} there`, 'lost');
    else findings.add(`${given}, and the ledger has no such row`, 'lost');
  }
}

/** P7, and no row that was never asked for: checks rows without an answer, and calls that were refused. */
export function checkUnanswered(
  history: History,
  rows: Rows,
  { acknowledgedMs }: Answers,
  mayBeRefused: (refusal: string) => boolean,
  findings: Findings,
): void {
  const open = new Map<string, Call[]>();
  const withoutKey = new Map<string, number>();
  for (const call of history.calls) {
    if (call.refusal !== undefined && !isExpected(call.refusal) && !mayBeRefused(call.refusal)) {
      findings.add(`${nameOf(call)} was refused: ${call.refusal}`);
    }
    if (call.answer) continue;
    if (call.requestId !== '') open.set(keyOf(call), [...(open.get(keyOf(call)) ?? []), call]);
    else if (call.refusal === undefined) count(withoutKey, kindOf(call));
  }
  const earlier = new Set(history.earlier.map(keyOf));
  const tooMany = new Map<string, number>();
  for (const [i, pair] of rows.pairs.entries()) {
    if (acknowledgedMs[i] !== Infinity) continue;
    const calls = open.get(keyOf(pair))?.filter((call) => call.count === pair.count);
    if (calls?.length) {
      if (calls.every((call) => call.refusal !== undefined)) {
        findings.add(
          `${nameOf(calls[0]!)} was refused, ${calls[0]!.refusal}, and the ledger has ${textOf(pair)} for it`,
        );
      }
    } else if (earlier.has(keyOf(pair))) continue;
    else if ((withoutKey.get(kindOf(pair)) ?? 0) > 0) count(withoutKey, kindOf(pair), -1);
    else count(tooMany, textOf(pair));
  }
  for (const text of tooMany.keys()) findings.add(`the ledger has ${text}, and no unanswered call asked for it`);
}

/** What stands for a call that had no request_id. */
function kindOf({ storeId, count: numbers }: { readonly storeId: bigint; readonly count: number }): string {
  return `${storeId} ${numbers}`;
}

function count(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
