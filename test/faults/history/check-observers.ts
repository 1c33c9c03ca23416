import type { Answers } from './check-answers.ts';
import type { DeclaredLoss } from './check-sequences.ts';
import { isDeclaredLost } from './check-sequences.ts';
import type { Findings } from './findings.ts';
import type { Covered, History, NotFound } from './history.ts';
import type { Pair } from './pair.ts';
import { isSame, lastNumber, lastOrderId, textOf } from './pair.ts';
import type { Rows } from './rows.ts';
import { keyOf } from './rows.ts';
import type { Watched } from './watched.ts';

/** What observers and operators were told: nothing else than the ledger, and nothing less than was acknowledged before. */
export function checkObservers(
  history: History,
  rows: Rows,
  answers: Answers,
  losses: readonly DeclaredLoss[],
  findings: Findings,
): void {
  for (const sentence of history.contradictions) findings.add(sentence);
  for (const { by, pair } of history.seen.values()) {
    if (!isDeclaredLost(losses, pair)) checkSeen(by, pair, rows, findings);
  }
  for (const watched of history.watches) checkWatch(watched, rows, findings);
  checkNotFound(history.notFound, rows, answers, findings);
  checkCovered(history.covered, answers, findings);
}

function checkSeen(by: string, pair: Pair, rows: Rows, findings: Findings): void {
  const row = rows.pairs[rows.indexOf(pair.orderId)];
  if (!row) findings.add(`${by} saw ${textOf(pair)}, and the ledger has no such row`);
  else if (!isSame(row, pair)) findings.add(`${by} saw ${textOf(pair)}, and the ledger has ${textOf(row)} there`);
}

/** A watch sees every row once, in order, from where it began to its cursor. */
function checkWatch({ by, afterOrderId, storeId, pairs, cursor }: Watched, rows: Rows, findings: Findings): void {
  const due = rows.pairs.filter((row) => {
    const last = lastOrderId(row);
    return last > afterOrderId && last <= cursor && (storeId === undefined || row.storeId === storeId);
  });
  let at = 0;
  let end = afterOrderId;
  for (const pair of pairs) {
    if (pair.orderId <= end && lastOrderId(pair) <= end) {
      findings.add(`${by} watched ${textOf(pair)} twice, or after order_id ${end}`);
      continue;
    }
    for (; due[at] && due[at]!.orderId < pair.orderId; at++) missed(due[at]!);
    const row = due[at];
    if (row && row.orderId === pair.orderId) at++;
    if (!row) findings.add(`${by} watched ${textOf(pair)}, and the ledger has no such row`);
    else if (!isSame(row, pair)) findings.add(`${by} watched ${textOf(pair)}, and the ledger has ${textOf(row)} there`);
    end = lastOrderId(pair);
  }
  for (; at < due.length; at++) missed(due[at]!);

  function missed(row: Pair): void {
    findings.add(`${by} watched up to order_id ${cursor}, and did not see ${textOf(row)}`);
  }
}

/** A lookup that begins after a pair was acknowledged has to find it. */
function checkNotFound(
  lookups: readonly NotFound[],
  rows: Rows,
  { acknowledgedMs }: Answers,
  findings: Findings,
): void {
  if (lookups.length === 0) return;
  const requests = new Set(lookups.flatMap(({ key }) => (key.requestId === undefined ? [] : [requestOf(key)])));
  const ofRequests = rows.ofRequests(requests);
  const stores = Map.groupBy(rows.pairs.keys(), (i) => rows.pairs[i]!.storeId);
  for (const { by, startMs, key } of lookups) {
    let index = -1;
    if (key.orderId !== undefined) index = rows.indexOf(key.orderId);
    else if (key.requestId !== undefined) index = ofRequests.get(requestOf(key)) ?? -1;
    else index = indexOfNumber(rows, stores.get(key.storeId!) ?? [], key.orderNumber!);
    if (index >= 0 && acknowledgedMs[index]! < startMs) {
      findings.add(`${by} did not find ${textOf(rows.pairs[index]!)}, which had been acknowledged before`);
    }
  }
}

function requestOf({ storeId, requestId }: NotFound['key']): string {
  return keyOf({ storeId: storeId!, requestId: requestId! });
}

/** The positions of a store's rows are in the order of their numbers. */
function indexOfNumber(rows: Rows, ofStore: readonly number[], orderNumber: bigint): number {
  let low = 0;
  let high = ofStore.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lastNumber(rows.pairs[ofStore[middle]!]!) < orderNumber) low = middle + 1;
    else high = middle;
  }
  const index = ofStore[low];
  return index !== undefined && rows.pairs[index]!.orderNumber <= orderNumber ? index : -1;
}

/** What covers a sequence covers everything in it that was acknowledged before. A sweep over the acknowledgements. */
function checkCovered(covered: readonly Covered[], { allocated }: Answers, findings: Findings): void {
  if (covered.length === 0) return;
  const acknowledged = allocated.toSorted((a, b) => a.endMs - b.endMs);
  const highest = new Map<bigint | undefined, { readonly end: bigint; readonly pair: Pair }>();
  let next = 0;
  for (const { by, startMs, storeId, end } of covered.toSorted((a, b) => a.startMs - b.startMs)) {
    for (; acknowledged[next] && acknowledged[next]!.endMs < startMs; next++) {
      const { pair } = acknowledged[next]!;
      raise(undefined, lastOrderId(pair), pair);
      raise(pair.storeId, lastNumber(pair), pair);
    }
    const known = highest.get(storeId);
    if (known && known.end > end) {
      findings.add(`${by} reached ${end} only, and ${textOf(known.pair)} had been acknowledged before`);
    }
  }

  function raise(storeId: bigint | undefined, end: bigint, pair: Pair): void {
    const known = highest.get(storeId);
    if (!known || known.end < end) highest.set(storeId, { end, pair });
  }
}
