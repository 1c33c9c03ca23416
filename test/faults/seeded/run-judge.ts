import type { Allocation, AllocationRequest } from '../../../src/core/allocation.ts';
import { lastOrderIdOf } from '../../../src/core/allocation.ts';
import type { Allocated } from '../../../src/client/api.ts';
import type { OrderNumbersError } from '../../../src/client/order-numbers-error.ts';
import type { Store } from '../../../src/core/store.ts';

/** What a judge looks at in an answer. */
export type SeenAnswer = Pick<Allocated, 'orderId' | 'orderNumber' | 'storeId' | 'requestId' | 'count' | 'replayed'>;

/** One call of a client, as its caller saw it. Times are turns of the clock, of which no two events share one. */
export interface SeenCall {
  readonly storeId: bigint;
  /** Known from the beginning, or from the answer or the error. */
  requestId: string | undefined;
  readonly count: number;
  readonly start: number;
  end: number;
  answer: SeenAnswer | undefined;
  error: Pick<OrderNumbersError, 'outcome' | 'code' | 'reason'> | undefined;
}

/** What one watcher saw, and from where on. */
export interface SeenWatch {
  readonly storeId: bigint | undefined;
  /** Undefined before its first step. */
  start: bigint | undefined;
  cursor: bigint;
  readonly rows: bigint[];
}

/** What a run has left behind: the rows in the order of their order_ids, and by their keys. */
export interface FinishedLedger {
  readonly rows: readonly Allocation[];
  readonly stores: ReadonlyMap<bigint, Store>;
  readonly byKey: ReadonlyMap<string, Allocation>;
}

/** A finished run. */
export interface FinishedRun {
  readonly disk: FinishedLedger;
  readonly calls: readonly SeenCall[];
  readonly watches: readonly SeenWatch[];
  /** Keys of requests that the network has duplicated: a copy may be done although the other one was refused. */
  readonly duplicated: ReadonlySet<string>;
}

/** The key of a request, as a text. */
export function keyOf({ storeId, requestId }: Pick<AllocationRequest, 'storeId' | 'requestId'>): string {
  return `${storeId} ${requestId}`;
}

/** Judges a run by P1 to P7; returns a sentence per violation. It looks at each row and each call once. */
export function judgeRun({ disk, calls, watches, duplicated }: FinishedRun): string[] {
  const violations: string[] = [];
  const violated = (sentence: string) => void violations.push(sentence);
  density(disk, violated);
  answers(disk, calls, violated);
  refusals(disk, calls, duplicated, violated);
  order(calls, violated);
  for (const watch of watches) watched(disk, watch, violated);
  return violations;
}

type Violated = (sentence: string) => void;

function density({ rows, stores }: FinishedLedger, violated: Violated): void {
  let orderId = 1n;
  let createTimeMs = 0;
  const next = new Map<bigint, bigint>();
  const keys = new Set<string>();
  for (const row of rows) {
    const number = next.get(row.storeId) ?? stores.get(row.storeId)!.firstNumber;
    if (row.orderId !== orderId) violated(`P1: order_id ${orderId} is missing, ${row.orderId} follows`);
    if (row.orderNumber !== number) violated(`P2: number ${number} of store ${row.storeId} is missing`);
    if (row.createTimeMs < createTimeMs) violated(`P3: create_time falls at order_id ${row.orderId}`);
    if (keys.has(keyOf(row))) violated(`P5: ${keyOf(row)} has two rows`);
    keys.add(keyOf(row));
    orderId = lastOrderIdOf(row) + 1n;
    next.set(row.storeId, row.orderNumber + BigInt(row.count));
    ({ createTimeMs } = row);
  }
}

/** Each answer is a row, that of its own request. */
function answers({ byKey }: FinishedLedger, calls: readonly SeenCall[], violated: Violated): void {
  const toldNew = new Set<string>();
  for (const { storeId, requestId, count, answer } of calls) {
    if (!answer) continue;
    const key = keyOf({ storeId, requestId: requestId! });
    if (keyOf(answer) !== key) violated(`P5: the caller of ${key} got the numbers of ${keyOf(answer)}`);
    if (answer.count !== count) violated(`P5: the caller of ${key} asked for ${count} numbers and got ${answer.count}`);
    const row = byKey.get(keyOf(answer));
    if (!row) violated(`P4: ${key} was answered, and has no row`);
    else if (row.orderId !== answer.orderId || row.orderNumber !== answer.orderNumber) {
      violated(`P5: ${key} was answered with ${answer.orderId}, and its row is ${row.orderId}`);
    }
    if (answer.replayed) continue;
    if (toldNew.has(key)) violated(`P5: two callers of ${key} were told that its numbers are new`);
    toldNew.add(key);
  }
}

/** What was definitely refused has no row, and no row was never asked for. */
function refusals(
  { rows }: FinishedLedger,
  calls: readonly SeenCall[],
  duplicated: ReadonlySet<string>,
  violated: Violated,
): void {
  const open = new Set<string>();
  for (const { storeId, requestId, count, error } of calls) {
    if (error?.outcome === 'refused' || requestId === undefined) continue;
    open.add(`${keyOf({ storeId, requestId })} ${count}`);
  }
  const asked = new Set(calls.map(({ storeId, requestId }) => keyOf({ storeId, requestId: requestId ?? '' })));
  for (const row of rows) {
    if (!asked.has(keyOf(row))) violated(`P6: ${keyOf(row)} has numbers, and nobody asked for it`);
    else if (!open.has(`${keyOf(row)} ${row.count}`) && !duplicated.has(keyOf(row))) {
      violated(`P7: ${keyOf(row)} has numbers, and all of its callers were refused`);
    }
  }
}

/** If two calls with new numbers did not overlap, the later has the higher ones. */
function order(calls: readonly SeenCall[], violated: Violated): void {
  const told = calls.filter(({ answer }) => answer && !answer.replayed);
  const ended = told.toSorted((a, b) => a.end - b.end);
  const highest = new Map<bigint, SeenAnswer>();
  let i = 0;
  for (const call of told.toSorted((a, b) => a.start - b.start)) {
    for (; ended[i]!.end < call.start; i++) {
      const answer = ended[i]!.answer!;
      if (answer.orderId > (highest.get(answer.storeId)?.orderId ?? 0n)) highest.set(answer.storeId, answer);
    }
    const before = highest.get(call.storeId);
    const { orderId, orderNumber } = call.answer!;
    if (before && (orderId < before.orderId || orderNumber < before.orderNumber)) {
      violated(`P3: order_id ${orderId} was given after ${before.orderId} had been told`);
    }
  }
}

/** A watcher saw every row once, in order, up to its cursor. */
function watched(
  { rows }: FinishedLedger,
  { storeId, start, cursor, rows: seen }: SeenWatch,
  violated: Violated,
): void {
  if (start === undefined) return;
  const from = start;
  const isDue = (row: Allocation) =>
    lastOrderIdOf(row) > from && lastOrderIdOf(row) <= cursor && (storeId === undefined || row.storeId === storeId);
  const due = rows.filter(isDue).map(({ orderId }) => orderId);
  if (due.length === seen.length && due.every((orderId, i) => orderId === seen[i])) return;
  const first = due.findIndex((orderId, i) => orderId !== seen[i]);
  const place = first === -1 ? due.length : first;
  violated(`a watcher saw order_id ${seen[place] ?? 'nothing'} where ${due[place] ?? 'nothing'} was due`);
}
