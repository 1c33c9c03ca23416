import type { LedgerSize, SizedLedger } from '../measurements/ledger-size.ts';
import type { Stores } from '../measurements/stores.ts';
import type { Section, Target } from './section.ts';
import { megabytes, range, target, time, whole } from './section.ts';

const MAX_START_MS = 1000;

export function ledgerSizeSections({ inFlight, rounds, ledgers }: LedgerSize): Section[] {
  const head = [
    'rows',
    'keys',
    'size',
    'orders /s',
    'of a new ledger',
    'start ms',
    'after kill -9',
    'new, oldest p50 ms',
  ];
  const rows = ledgers.map((one) => [
    whole(one.rows),
    one.keys,
    megabytes(one.bytes),
    range(one.perSecond, 0),
    range(one.toNew),
    whole(one.startMs.median),
    whole(one.startAfterKillMs.median),
    one.rows === 0 ? '' : `${time(one.freshP50Ms.median)}, ${time(one.replayP50Ms.median)}`,
  ]);
  return [
    {
      title: 'Size of the ledger',
      table: { head, rows },
      notes: [
        `One combining client with ${whole(inFlight)} in flight, medians of ${rounds} rounds; a new ledger is measured in the ` +
          'same rounds. UUIDv7 keys are in the order of time, UUIDv4 keys are random. The last column has lone orders: new ' +
          'ones, and repeats of the oldest keys.',
      ],
    },
  ];
}

export function ledgerSizeTargets({ ledgers }: LedgerSize): Target[] {
  return ledgers.filter(({ rows }) => rows > 0).flatMap(sizeTargets);
}

function sizeTargets({ rows, keys, toNew, startMs, startAfterKillMs, replayToFresh }: SizedLedger): Target[] {
  const name = `${whole(rows)} rows, ${keys}`;
  const throughput = target(`${name}: throughput / new ledger`, toNew.median, { atLeast: 0.9 });
  return [
    ...(keys === 'uuidv7' ? [throughput] : []),
    target(`${name}: start, ms`, startMs.median, { atMost: MAX_START_MS }, whole),
    target(`${name}: start after kill -9, ms`, startAfterKillMs.median, { atMost: MAX_START_MS }, whole),
    target(`${name}: repeat of the oldest / new, p50`, replayToFresh.median, { atMost: 2 }),
  ];
}

export function storesSections({ rounds, points }: Stores): Section[] {
  const rows = points.map(({ stores, level: { perSecond, p50Ms, p99Ms, serverMicros } }) => [
    whole(stores),
    range(perSecond, 0),
    p50Ms ? time(p50Ms.median) : '',
    p99Ms ? time(p99Ms.median) : '',
    serverMicros ? whole(serverMicros.median) : '',
  ]);
  return [
    {
      title: 'Number of stores',
      table: { head: ['stores', 'orders /s', 'p50 ms', 'p99 ms', 'server µs'], rows },
      notes: [
        `One combining client with 2,000 in flight, medians of ${rounds} rounds; each number has its own ledger.`,
      ],
    },
  ];
}
