import type { Memory } from '../measurements/memory.ts';
import type { OpenLoop } from '../measurements/open-loop.ts';
import { WAYS } from '../measurements/open-loop.ts';
import type { Overload, OverloadCase, ProbeSummary } from '../measurements/overload.ts';
import type { Section, Target } from './section.ts';
import { megabytes, range, target, time, whole } from './section.ts';

/** The goal for the p99 of a refusal, in milliseconds. */
const MAX_REFUSAL_MS = 1000;
const MAX_IDLE_BYTES = 200e6;
const MAX_BYTES = 400e6;

export function openLoopSections({ rounds, ways }: OpenLoop): Section[] {
  const rows = WAYS.flatMap((way) =>
    ways[way].map(({ offered, perSecond, p50Ms, p99Ms, generatorMicros }) => [
      way,
      whole(offered),
      range(perSecond, 0),
      range(p50Ms),
      range(p99Ms),
      whole(generatorMicros.median),
    ]),
  );
  return [
    {
      title: 'Latency at fixed rates',
      table: { head: ['orders', 'due /s', 'answered /s', 'p50 ms', 'p99 ms', 'generator µs'], rows },
      notes: [
        `An open loop, medians of ${rounds} rounds with the lowest and the highest: orders are sent when they are due, ` +
          'whatever became of earlier ones. The last rate of each is beyond its peak. ' +
          'Both send once per 10 ms what has become due, and latency counts from there.',
      ],
    },
  ];
}

export function overloadSections({ cases }: Overload): Section[] {
  const head = [
    'offered',
    'peak /s',
    'numbered /s',
    'share',
    'refused',
    'its calls: p50, p99 ms',
    'another caller before',
    'meanwhile',
    'normal after ms',
    'memory idle, highest',
  ];
  return [
    {
      title: 'Overload',
      table: { head, rows: cases.map(overloadRow) },
      notes: [
        'The peak is that of the same server just before. A call that is refused counts among its calls. Another caller has a ' +
          'single call every 20 ms and no retries; p50 and p99, and what became of its calls if not all were answered. ' +
          'Normal is half a second of these calls in a row that take no longer than twice the p99 before, or 20 ms, counted ' +
          'from when nothing more was offered.',
      ],
    },
  ];
}

export function overloadTargets({ cases }: Overload): Target[] {
  return cases.flatMap((one) => [
    target(`${one.name}: share of the peak`, one.goodputToPeak, { atLeast: 0.9 }),
    target(`${one.name}: ms until normal`, one.normalAfterMs, { atMost: 1000 }, whole),
    ...(one.during.refused > 0
      ? [target(`${one.name}: p99 of a refusal, ms`, one.during.refusedP99Ms, { atMost: MAX_REFUSAL_MS }, time)]
      : []),
  ]);
}

export function memorySections({ inFlight, orders, idle, steps, after, load }: Memory): Section[] {
  return [
    {
      title: 'Memory',
      notes: [
        `Resident memory of the server: ${megabytes(idle.now)} idle, ${megabytes(after.now)} after ${whole(orders)} orders ` +
          `of one combining client with ${whole(inFlight)} in flight, ${megabytes(after.peak)} at most. On the way: ` +
          `${steps.map(megabytes).join(', ')}. At the end p50 ${time(load.p50Ms)} ms, p99 ${time(load.p99Ms)} ms.`,
      ],
    },
  ];
}

export function memoryTargets({ orders, idle, after }: Memory): Target[] {
  return [
    target('resident memory, idle', idle.now, { atMost: MAX_IDLE_BYTES }, megabytes),
    target(`resident memory after ${whole(orders)} orders`, after.now, { atMost: MAX_BYTES }, megabytes),
  ];
}

function overloadRow(one: OverloadCase): string[] {
  return [
    one.name,
    whole(one.peakPerSecond),
    whole(one.goodputPerSecond),
    one.goodputToPeak.toFixed(2),
    one.refusedShare.toFixed(2),
    `${time(one.p50Ms)}, ${time(one.p99Ms)}`,
    probeCell(one.before),
    probeCell(one.during),
    time(one.normalAfterMs),
    `${megabytes(one.idleBytes)}, ${megabytes(one.peakBytes)}`,
  ];
}

function probeCell({ answered, answeredP50Ms, answeredP99Ms, refused, refusedP99Ms, failed }: ProbeSummary): string {
  const took = answered === 0 ? 'none answered' : `${time(answeredP50Ms)}, ${time(answeredP99Ms)}`;
  const refusals = refused > 0 ? `; ${refused} refused within ${time(refusedP99Ms)}` : '';
  return took + refusals + (failed > 0 ? `; ${failed} failed` : '');
}
