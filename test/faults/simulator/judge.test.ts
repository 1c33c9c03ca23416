import { beforeAll, describe, expect, it } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { Allocated } from '../../../src/client/api.ts';
import { OrderNumbersError } from '../../../src/client/index.ts';
import { checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import type { Pair } from '../history/pair.ts';
import { pairOf } from '../history/pair.ts';
import { simulate } from './simulate.ts';
import type { FinishedRun, SeenCall } from '../seeded/run-judge.ts';
import { judgeRun } from '../seeded/run-judge.ts';

const SEEDS = 3;

type Changing = { -readonly [Key in keyof SeenCall]: SeenCall[Key] };

/** A run that a test may change. */
interface Doctored {
  readonly rows: Allocation[];
  readonly calls: Changing[];
  readonly watches: readonly { readonly rows: bigint[] }[];
}

const runs: FinishedRun[] = [];

beforeAll(async () => {
  runs.push(...(await simulate({ seed: 1, seeds: SEEDS, withRuns: true })).runs);
});

const fresh = ({ answer }: SeenCall) => answer !== undefined && !answer.replayed;

describe('the judge of a run and the checker of all labs', () => {
  it('accept the same runs', () => {
    expect(runs).toHaveLength(SEEDS);
    for (const run of runs) expect([judgeRun(run), historyOf(run)]).toEqual([[], []]);
  });

  it.each([
    ['a row is missing', ({ rows }) => rows.splice(5, 1)],
    [
      'a row is missing at the end',
      ({ rows, calls }) => rows.splice(rows.indexOf(rowOf(rows, calls.findLast(fresh)!))),
    ],
    ['a pair is there twice', ({ rows }) => rows.splice(3, 0, rows[3]!)],
    ['create_time falls', ({ rows }) => (rows[7] = { ...rows[7]!, createTimeMs: rows[7]!.createTimeMs - 86_400_000 })],
    ['nobody asked for a row', ({ rows }) => (rows[4] = { ...rows[4]!, requestId: 'nobody' })],
    [
      'two callers have the answers of each other',
      ({ calls }) => {
        const [one, other] = calls.filter(fresh);
        [one!.answer, other!.answer] = [other!.answer, one!.answer];
      },
    ],
    [
      'an answer is not what its row is',
      ({ calls }) => {
        const call = calls.find(fresh)!;
        call.answer = { ...call.answer!, orderNumber: call.answer!.orderNumber + 1n };
      },
    ],
    [
      'a caller was refused, and has numbers',
      ({ calls }) => {
        const call = calls.find(
          (one) => fresh(one) && calls.filter(({ requestId }) => requestId === one.requestId).length === 1,
        )!;
        call.answer = undefined;
        call.error = { outcome: 'refused', code: 'RESOURCE_EXHAUSTED', reason: 'QUEUE_FULL' };
      },
    ],
    [
      'two callers were told that the pair is new',
      ({ calls }) => {
        calls.push({ ...calls.find(fresh)! });
      },
    ],
    [
      'a later call has lower numbers',
      ({ calls }) => {
        const told = calls.filter(fresh).toSorted((a, b) => a.end - b.end);
        const one = told.find((call) => told.some((other) => isLater(other, call)))!;
        const other = told.find((each) => isLater(each, one))!;
        [one.start, one.end, other.start, other.end] = [other.start, other.end, one.start, one.end];
      },
    ],
    ['a watcher missed a row', ({ watches }) => watches.find(({ rows }) => rows.length > 3)!.rows.splice(1, 1)],
    ['a watcher saw a row twice', ({ watches }) => watches.find(({ rows }) => rows[0])!.rows.push(1n)],
    [
      'a watcher saw rows in another order',
      ({ watches }) => {
        const { rows } = watches.find((watch) => watch.rows[1] !== undefined)!;
        rows.push(rows.shift()!);
      },
    ],
  ] as [string, (run: Doctored) => unknown][])('reject the same ones: %s', (_, doctor) => {
    const { disk, calls, watches, duplicated } = structuredClone(runs[0]!);
    const doctored = { rows: [...disk.rows], calls: [...calls] as Changing[], watches };
    doctor(doctored);
    const { rows } = doctored;
    const byKey = new Map(rows.map((row) => [`${row.storeId} ${row.requestId}`, row]));
    const run = { disk: { rows, stores: disk.stores, byKey }, calls: doctored.calls, watches, duplicated };
    expect(judgeRun(run)).not.toEqual([]);
    expect(historyOf(run, runs[0]!.disk.rows)).not.toEqual([]);
  });
});

function rowOf(rows: readonly Allocation[], { answer }: SeenCall): Allocation {
  return rows.find(({ orderId }) => orderId === answer!.orderId)!;
}

function isLater(other: SeenCall, call: SeenCall): boolean {
  return other.storeId === call.storeId && other.start > call.end;
}

/** What checkHistory says to the run; `known` are the rows that watchers can have seen. */
function historyOf({ disk, calls, watches }: FinishedRun, known = disk.rows): readonly string[] {
  const history = new History();
  for (const { storeId, requestId, count, start, end, answer, error } of calls) {
    // It takes refusals of a request that is wrong in itself for a fault.
    if (
      error?.outcome === 'refused' &&
      !/QUEUE_FULL|UNAVAILABLE|CANCELLED|DEADLINE/.test(`${error.reason} ${error.code}`)
    ) {
      continue;
    }
    const call = history.begin('client', { storeId, requestId: requestId ?? '', count }, start);
    if (answer) history.answered(call, pairOf(answer as Allocated), answer.replayed, end);
    else history.failed(call, errorOf(error!), end);
  }
  for (const { storeId, start, cursor, rows } of watches) {
    if (start === undefined) continue;
    const watch = history.watch('watcher', start, storeId);
    watch.pairs.push(...rows.map((orderId) => known.find((row) => row.orderId === orderId) as Pair));
    watch.cursor = cursor;
  }
  const stores = [...disk.stores.values()].map(({ storeId, firstNumber, lastNumber }) => {
    return { store_id: storeId, first_number: firstNumber, last_number: lastNumber };
  });
  const last = disk.rows.at(-1)!;
  const ledger = {
    first_order_id: 1n,
    last_order_id: last.orderId + BigInt(last.count) - 1n,
    last_create_time_ms: BigInt(last.createTimeMs),
  };
  const rows = disk.rows.map(({ orderId, storeId, orderNumber, count, requestId, createTimeMs }) => ({
    order_id: orderId,
    store_id: storeId,
    order_number: orderNumber,
    count,
    request_id: requestId,
    create_time_ms: BigInt(createTimeMs),
  }));
  return checkHistory(history, { ledger, stores, rows }).violations;
}

function errorOf({ outcome, code, reason }: NonNullable<SeenCall['error']>): OrderNumbersError {
  return new OrderNumbersError(code, { code, reason, outcome, metadata: {}, requestId: undefined, cause: undefined });
}
