import { Metadata, status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { OrderNumbersError } from '../../../src/client/index.ts';
import type { DenseRow, LedgerSnapshot } from '../../support/ledgers/dense-rows.ts';
import type { Counts } from '../frame/tally.ts';
import { assertHistory, checkHistory } from './check-history.ts';
import type { Call } from './history.ts';
import { History } from './history.ts';
import { outcomeOf } from './outcome.ts';
import type { Pair } from './pair.ts';

const TIMEOUT = error('DEADLINE_EXCEEDED', 'unknown');

/** Two stores; requests a to e, the third with two numbers. */
const PAIRS = {
  a: pair(1n, 1n, 100n, 'a'),
  b: pair(2n, 2n, 100n, 'b'),
  c: pair(3n, 1n, 101n, 'c', 2),
  d: pair(5n, 2n, 101n, 'd'),
  e: pair(6n, 1n, 103n, 'e'),
} as const;
type Name = keyof typeof PAIRS;

/** A history with its ledger: calls one after the other, each 10 ms long, unless a test says otherwise. */
class Scene {
  readonly history = new History();
  rows: DenseRow[] = Object.values(PAIRS).map(rowOf);
  readonly calls = new Map<Name, Call>();
  #now = 0;

  /** All requests, answered in their order, but for these. */
  static allBut(...names: readonly Name[]): Scene {
    const scene = new Scene();
    for (const name of Object.keys(PAIRS) as Name[]) if (!names.includes(name)) scene.call(name);
    return scene;
  }

  begin(name: Name, startMs = this.tick(), client = 'c1'): Call {
    const { storeId, requestId, count } = PAIRS[name];
    return this.history.begin(client, { storeId, requestId, count }, startMs);
  }

  call(name: Name, answer: Pair = PAIRS[name], replayed = false): Call {
    const call = this.begin(name);
    this.history.answered(call, answer, replayed, this.tick());
    this.calls.set(name, call);
    return call;
  }

  fail(name: Name, failure: unknown): void {
    this.history.failed(this.begin(name), failure, this.tick());
  }

  without(name: Name): void {
    this.rows = this.rows.filter((row) => row.request_id !== name);
  }

  tick(): number {
    return (this.#now += 10);
  }

  violations(): readonly string[] {
    return checkHistory(this.history, this.rows).violations;
  }
}

it('accepts a history in which everything is as it was told', () => {
  const scene = Scene.allBut('d', 'e');
  scene.fail('d', TIMEOUT);
  scene.call('d', PAIRS.d, true);
  scene.call('e');
  scene.call('a', PAIRS.a, true);
  scene.fail('b', error('RESOURCE_EXHAUSTED', 'refused', 'QUEUE_FULL'));
  const watched = scene.history.watch('w1', 0n);
  watched.pairs.push(...Object.values(PAIRS));
  watched.cursor = 6n;
  const ofStore = scene.history.watch('w2', 1n, 2n);
  ofStore.pairs.push(PAIRS.b);
  ofStore.cursor = 4n;
  scene.history.listed('l1', scene.tick(), Object.values(PAIRS));
  scene.history.listed('l2', scene.tick(), [PAIRS.a, PAIRS.c, PAIRS.e], { storeId: 1n });
  scene.history.missed('r1', 5, { orderId: 1n });
  scene.history.missed('r1', scene.tick(), { orderId: 7n });
  scene.history.reached('verify', scene.tick(), 6n);
  scene.history.reached('store 2', scene.tick(), 101n, 2n);
  const counts = { asked: 8, acknowledged: 6, found: 6, lost: 0, twice: 0, holes: 0 };
  expect(assertHistory(scene.history, scene.rows)).toEqual({ ...counts, violations: [] });
});

it('accepts rows of calls that were never answered, and calls under way that left none', () => {
  const scene = Scene.allBut('d', 'e');
  scene.begin('d');
  scene.begin('e');
  scene.without('e');
  expect(scene.violations()).toEqual([]);
});

it('accepts a declared loss in both sequences, and the answers in it', () => {
  const scene = Scene.allBut();
  scene.without('d');
  const losses = [
    { first: 5n, last: 5n },
    { storeId: 2n, first: 101n, last: 101n },
  ];
  expect(checkHistory(scene.history, scene.rows, { losses }).violations).toEqual([]);
});

it('accepts as many rows that nobody named as there are unanswered calls without a request_id', () => {
  const scene = Scene.allBut('b', 'd');
  const keyless = { storeId: 2n, requestId: '', count: 1 };
  scene.history.answered(scene.history.begin('c2', keyless, 1), PAIRS.b, false, 25);
  scene.history.failed(scene.history.begin('c2', keyless, 30), TIMEOUT, 31);
  expect(scene.violations()).toEqual([]);
});

it('reads the beginnings and the counters of a snapshot', () => {
  const scene = Scene.allBut();
  const snapshot: LedgerSnapshot<DenseRow> = {
    ledger: { first_order_id: 1n, last_order_id: 7n, last_create_time_ms: 1006n },
    stores: [
      { store_id: 1n, first_number: 100n, last_number: 103n },
      { store_id: 2n, first_number: 99n, last_number: 100n },
    ],
    rows: scene.rows,
  };
  expect(checkHistory(scene.history, snapshot)).toMatchObject({
    holes: 2,
    violations: [
      'number of store 2 99 is in no row',
      'order_id 7 is in no row',
      'the counter of the number of store 2 is at 100, and the last row ends at 101',
    ],
  });
});

type Doctored = readonly [what: string, doctor: (scene: Scene) => void, sentence: RegExp, counts?: Partial<Counts>];

const DOCTORED: readonly Doctored[] = [
  [
    'an acknowledged pair that is lost at the end',
    (scene) => scene.without('e'),
    /^c1's call \(store 1, request e, 90\.0 to 100\.0 ms\) was answered order_id 6, .* and the ledger has no such row$/m,
    { lost: 1, found: 4 },
  ],
  [
    'an acknowledged pair whose place another request has',
    (scene) => {
      scene.rows[4] = rowOf({ ...PAIRS.e, requestId: 'f' });
      scene.history.begin('c2', { storeId: 1n, requestId: 'f', count: 1 }, 0);
    },
    /request e, .* was answered order_id 6, .* and the ledger has order_id 6, .* request f, .* there$/m,
    { lost: 1 },
  ],
  [
    'a request with another pair in the ledger than it was answered',
    (scene) => {
      scene.calls.get('e')!.answer = { ...PAIRS.e, orderId: 7n, orderNumber: 104n };
    },
    /was answered order_id 7, number 104 .* and the ledger has order_id 6, number 103 .* for that request$/m,
    { lost: 1 },
  ],
  [
    'two answers to one request',
    (scene) => scene.call('a', { ...PAIRS.a, orderId: 9n, orderNumber: 110n }, true),
    /answered order_id 9, .* and c1's call .* order_id 1, .*: two answers to one request$/m,
    { lost: 1 },
  ],
  [
    'a create_time that differs from the ledger',
    (scene) => {
      scene.calls.get('b')!.answer = { ...PAIRS.b, createTimeMs: 1001 };
    },
    /at 1001, and the ledger has order_id 2, .* at 1002 for that request$/m,
    { lost: 1 },
  ],
  [
    'a pair that two requests were given',
    (scene) => {
      const call = scene.history.begin('c2', { storeId: 1n, requestId: 'f', count: 1 }, scene.tick());
      scene.history.answered(call, { ...PAIRS.e, requestId: 'f' }, false, scene.tick());
    },
    /^order_id 6 was given twice: to c1's call \(store 1, request e, .*\) and to c2's call \(store 1, request f, .*\)$/m,
    { twice: 1, lost: 1 },
  ],
  [
    'a pair that two calls without a request_id were given',
    (scene) => {
      const keyless = { storeId: 1n, requestId: '', count: 1 };
      scene.rows.push(rowOf(pair(7n, 1n, 104n, 'made')));
      for (const replayed of [false, true]) {
        const call = scene.history.begin('c2', keyless, scene.tick());
        scene.history.answered(call, pair(7n, 1n, 104n, 'made'), replayed, scene.tick());
      }
    },
    /^order_id 7 was given twice: to c2's call \(store 1, no request_id, .*\) and to c2's call/m,
    { twice: 1 },
  ],
  [
    'a request with two rows',
    (scene) => {
      scene.rows.push(rowOf(pair(7n, 1n, 104n, 'a')));
    },
    /^request a of store 1 is in two rows: order_id 7, .* is the second$/m,
    { twice: 1 },
  ],
  [
    'a hole in both sequences',
    (scene) => scene.without('c'),
    /^order_id 3 to 4 are in no row$/m,
    { holes: 4, lost: 1 },
  ],
  [
    'a hole in a store',
    (scene) => scene.without('c'),
    /^number of store 1 101 to 102 are in no row$/m,
    { holes: 4, lost: 1 },
  ],
  [
    'two rows that overlap',
    (scene) => {
      scene.rows[3] = rowOf({ ...PAIRS.d, orderId: 4n });
      scene.calls.get('d')!.answer = { ...PAIRS.d, orderId: 4n };
    },
    /^order_id 4 is in two rows: order_id 4, number 101 of store 2, .* is the second$/m,
    { twice: 1, holes: 1 },
  ],
  [
    'a create_time that falls',
    (scene) => {
      scene.rows[2] = rowOf({ ...PAIRS.c, createTimeMs: 1 });
      scene.calls.get('c')!.answer = { ...PAIRS.c, createTimeMs: 1 };
    },
    /^create_time falls: order_id 3, .* at 1 follows order_id 2, .* at 1002$/m,
  ],
  [
    'a later call with a lower pair',
    (scene) => {
      scene.calls.get('e')!.endMs = 1;
      Object.assign(scene.calls.get('e')!, { startMs: 0 });
    },
    /^c1's call \(store 1, request a, 10\.0 .*\) began after .*request e, 0\.0 .* was answered order_id 6, .* and got order_id 1,/m,
  ],
  [
    'a replay that is said to be new',
    (scene) => scene.call('a'),
    /^c1's call \(store 1, request a, 110\.0 to 120\.0 ms\) was told that its pair is new, after .* had been answered with it$/m,
  ],
  [
    'racing copies that are both said to be new',
    (scene) => {
      const copy = scene.begin('a', 15, 'c2');
      scene.history.answered(copy, PAIRS.a, false, 19);
    },
    /^c2's call .* and c1's call .* were both told that their pair is new$/m,
  ],
  [
    'a definite refusal for what is there',
    (scene) => {
      scene.rows.push(rowOf(pair(7n, 1n, 104n, 'f')));
      const call = scene.history.begin('c2', { storeId: 1n, requestId: 'f', count: 1 }, scene.tick());
      scene.history.failed(call, error('RESOURCE_EXHAUSTED', 'refused', 'LEDGER_FULL'), scene.tick());
    },
    /request f, .* was refused, RESOURCE_EXHAUSTED \(LEDGER_FULL\), and the ledger has order_id 7, .* for it$/m,
  ],
  [
    'a refusal that a correct request must not get',
    (scene) => scene.fail('e', error('INTERNAL', 'refused', 'INTERNAL')),
    /request e, .* was refused: INTERNAL \(INTERNAL\)$/m,
  ],
  [
    'a row that nobody asked for',
    (scene) => {
      scene.rows.push(rowOf(pair(7n, 1n, 104n, 'f')));
    },
    /^the ledger has order_id 7, .* request f, .* and no unanswered call asked for it$/m,
  ],
  [
    'a row with another count than was asked for',
    (scene) => {
      scene.rows.push(rowOf(pair(7n, 1n, 104n, 'f', 3)));
      scene.history.begin('c2', { storeId: 1n, requestId: 'f', count: 2 }, scene.tick());
    },
    /^the ledger has order_id 7, .*, 3 numbers, request f, .* and no unanswered call asked for it$/m,
  ],
  [
    'more rows without a name than unanswered calls without a request_id',
    (scene) => {
      for (const i of [0n, 1n]) scene.rows.push(rowOf(pair(7n + i, 1n, 104n + i, `made-${i}`)));
      scene.history.begin('c2', { storeId: 1n, requestId: '', count: 1 }, scene.tick());
    },
    /^the ledger has order_id 8, .* request made-1, .* and no unanswered call asked for it$/m,
  ],
  [
    "another request's answer",
    (scene) => {
      const call = scene.history.begin('c2', { storeId: 1n, requestId: 'f', count: 1 }, scene.tick());
      scene.history.answered(call, PAIRS.e, true, scene.tick());
    },
    /^c2's call .*request f.* was answered with another request's order_id 6,/m,
  ],
  [
    'a watch that missed a row',
    (scene) => {
      const watched = scene.history.watch('w1', 0n);
      watched.pairs.push(PAIRS.a, PAIRS.c, PAIRS.d, PAIRS.e);
      watched.cursor = 6n;
    },
    /^w1 watched up to order_id 6, and did not see order_id 2,/m,
  ],
  [
    'a watch that saw a row twice',
    (scene) => {
      const watched = scene.history.watch('w1', 0n);
      watched.pairs.push(PAIRS.a, PAIRS.b, PAIRS.a);
      watched.cursor = 2n;
    },
    /^w1 watched order_id 1, .* twice, or after order_id 2$/m,
  ],
  [
    'a watch that saw a row which is gone',
    (scene) => {
      const watched = scene.history.watch('w1', 4n);
      watched.pairs.push({ ...PAIRS.d, requestId: 'f' }, PAIRS.e, pair(7n, 1n, 104n, 'g'));
      watched.cursor = 7n;
    },
    /^w1 watched order_id 5, .* request f, .* and the ledger has order_id 5, .* there\nw1 watched order_id 7, .* no such row$/m,
  ],
  [
    'two observers that saw different rows',
    (scene) => {
      scene.history.saw('r1', PAIRS.a);
      scene.history.saw('r2', { ...PAIRS.a, createTimeMs: 5 });
    },
    /^r2 saw order_id 1, .* at 5, and r1 saw order_id 1, .* at 1001$/m,
  ],
  [
    'a lookup that saw a row which is gone',
    (scene) => scene.history.saw('r1', pair(7n, 1n, 104n, 'f')),
    /^r1 saw order_id 7, .* and the ledger has no such row$/m,
  ],
  [
    'a lookup by number that did not find what was acknowledged',
    (scene) => scene.history.missed('r1', 61, { storeId: 1n, orderNumber: 102n }),
    /^r1 did not find order_id 3, .* which had been acknowledged before$/m,
  ],
  [
    'a lookup by request that did not find what was acknowledged',
    (scene) => scene.history.missed('r1', 61, { storeId: 1n, requestId: 'c' }),
    /^r1 did not find order_id 3, .* which had been acknowledged before$/m,
  ],
  [
    'a list with a gap',
    (scene) => scene.history.listed('l1', scene.tick(), [PAIRS.a, PAIRS.b, PAIRS.d, PAIRS.e]),
    /^l1 listed order_id 5, .* where order_id 3 follows$/m,
  ],
  [
    'a list of a store that ends before what was acknowledged',
    (scene) => scene.history.listed('l1', 61, [PAIRS.a], { storeId: 1n }),
    /^l1 reached 100 only, and order_id 3, .* had been acknowledged before$/m,
  ],
  [
    'a backup that ends before what was acknowledged',
    (scene) => scene.history.reached('backup', 61, 3n),
    /^backup reached 3 only, and order_id 3, .*, 2 numbers, .* had been acknowledged before$/m,
  ],
];

it.each(DOCTORED.map(([what, doctor, sentence, counts = {}]) => ({ what, doctor, sentence, counts })))(
  'rejects $what',
  ({ doctor, sentence, counts }) => {
    const scene = Scene.allBut();
    doctor(scene);
    const verdict = checkHistory(scene.history, scene.rows);
    expect(verdict.violations.join('\n')).toMatch(sentence);
    expect(verdict).toMatchObject(counts);
  },
);

it('rejects an operator who is refused, and counts one whose outcome is unknown', async () => {
  const { history } = Scene.allBut();
  await history.ask('verify', () => Promise.reject(TIMEOUT));
  expect(await history.ask('stores', async () => 7)).toBe(7);
  await history.ask(
    'lookup',
    () => Promise.reject(error('NOT_FOUND', 'refused')),
    (says) => says.startsWith('NOT_FOUND'),
  );
  expect(history.contradictions).toEqual([]);
  await history.ask('backup', () => Promise.reject(new Error('the disk is full')));
  expect(history.contradictions).toEqual(['backup was refused: the disk is full']);
  expect(Object.fromEntries(history.answers)).toEqual({
    verify: { done: 0, unknown: 1 },
    stores: { done: 1, unknown: 0 },
    lookup: { done: 1, unknown: 0 },
    backup: { done: 0, unknown: 0 },
  });
});

it('a bare status leaves the outcome open, whatever its code is', () => {
  const bare = Object.assign(new Error(), { code: status.INTERNAL, details: 'from a proxy', metadata: new Metadata() });
  expect(outcomeOf(bare)).toEqual({ isDefinite: false, says: 'INTERNAL (from a proxy)' });
});

it('assertHistory names the violations', () => {
  const scene = Scene.allBut();
  scene.without('e');
  expect(() => assertHistory(scene.history, scene.rows)).toThrow(
    /^1 violations:\nc1's call .* and the ledger has no such row$/,
  );
});

it('checks twenty thousand calls', () => {
  const history = new History();
  const rows: DenseRow[] = [];
  for (let i = 1; i <= 20_000; i++) {
    const made = pair(BigInt(i), BigInt(i % 3), BigInt(100 + Math.floor((i - (i % 3 === 0 ? 3 : i % 3)) / 3)), `r${i}`);
    const call = history.begin('c1', made, i);
    history.answered(call, made, false, i + 5);
    rows.push(rowOf(made));
  }
  expect(assertHistory(history, rows)).toMatchObject({ acknowledged: 20_000, found: 20_000 });
});

function pair(orderId: bigint, storeId: bigint, orderNumber: bigint, requestId: string, count = 1): Pair {
  return { orderId, storeId, orderNumber, count, requestId, createTimeMs: 1000 + Number(orderId) };
}

function rowOf({ orderId, storeId, orderNumber, count, requestId, createTimeMs }: Pair): DenseRow {
  return {
    order_id: orderId,
    store_id: storeId,
    order_number: orderNumber,
    count,
    request_id: requestId,
    create_time_ms: BigInt(createTimeMs),
  };
}

function error(code: string, outcome: 'refused' | 'unknown', reason?: string): OrderNumbersError {
  const details = { code, reason, metadata: {}, requestId: undefined, outcome, cause: undefined };
  return new OrderNumbersError(`${code}`, details);
}
