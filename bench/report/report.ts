import type { BigLedger } from '../measurements/big-ledger.ts';
import type { Machine } from '../machine.ts';
import type { Memory } from '../measurements/memory.ts';
import type { PostgresThroughput } from '../measurements/postgres.ts';
import { postgresLines, postgresTargets } from './report-postgres.ts';
import type { ResidentMemory } from '../processes/server-process.ts';
import type { Start } from '../measurements/start.ts';
import { startLines, startTargets } from '../measurements/start.ts';
import type { Spread } from '../statistics.ts';
import type { Surface } from '../measurements/surface.ts';
import type { Target } from './text.ts';
import { ms, ratio, table, two } from './text.ts';
import type { Level, Measured, Throughput } from '../measurements/throughput.ts';

/** The results of one benchmark run; measurements that were not requested are absent. */
export interface Result {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly throughput?: Throughput;
  readonly memory?: Memory;
  readonly bigLedger?: BigLedger;
  readonly surface?: Surface;
  readonly postgres?: PostgresThroughput;
  readonly start?: Start;
}

/** Formats the result for people. */
export function formatReport({
  date,
  command,
  machine,
  throughput,
  memory,
  bigLedger,
  surface,
  postgres,
  start,
}: Result): string {
  const blocks: string[][] = [];
  const targets: Target[] = [];
  if (throughput) {
    blocks.push(ratesTable(throughput), throughputLines(throughput));
    targets.push(...throughputTargets(throughput));
  }
  if (memory) {
    blocks.push(memoryLines(memory));
    targets.push(...memoryTargets(memory));
  }
  if (bigLedger) {
    blocks.push(bigLedgerLines(bigLedger));
    targets.push(...bigLedgerTargets(bigLedger));
  }
  if (surface) {
    blocks.push(surfaceLines(surface));
    targets.push(...surfaceTargets(surface));
  }
  if (postgres) {
    blocks.push(postgresLines(postgres));
    targets.push(...postgresTargets(postgres));
  }
  if (start) {
    blocks.push(startLines(start));
    targets.push(...startTargets(start));
  }
  if (targets.length > 0) blocks.push(targetsTable(targets));
  const { node, cpus, cpuModel, fileSystem } = machine;
  blocks.push([`${command}; ${date}; Node ${node}; ${cpus} CPUs (${cpuModel}); ${fileSystem}`]);
  return blocks.map((lines) => lines.join('\n')).join('\n\n');
}

/** Formats the result as JSON, with rounded numbers so that the file stays small and readable. */
export function formatJson(result: Result): string {
  return JSON.stringify(result, roundNumber, 2);
}

function ratesTable({ rounds, levels }: Throughput): string[] {
  const peerHead = ['/s', 'p50', 'p99'];
  const rows = levels.map(({ inFlight, peers, allocateToEcho, allocateToOnePerCall }) => [
    String(inFlight),
    ...peerCells(peers.echo),
    ...peerCells(peers.allocate),
    ...peerCells(peers.onePerCall),
    ratio(allocateToEcho),
    ratio(allocateToOnePerCall),
  ]);
  const groups = ['in', 'echo', '', '', 'allocate', '', '', 'one per call', '', '', 'allocate /', 'allocate /'];
  const head = ['flight', ...peerHead, ...peerHead, ...peerHead, 'echo', 'one per call'];
  return [
    `Medians of ${rounds} rounds; calls per second, p50 and p99 in ms; ratios within a round, with min and max`,
    ...table([groups, head, ...rows]),
  ];
}

function peerCells({ rps, p50Ms, p99Ms }: Measured): string[] {
  return [rps.median.toFixed(0), ms(p50Ms.median), ms(p99Ms.median)];
}

function throughputLines({ appendP50Ms, memory, answered }: Throughput): string[] {
  const lines = [`no gaps after ${answered.allocate} and ${answered.onePerCall} allocations`];
  if (appendP50Ms) lines.unshift(`append of 4 KiB with fsync: p50 ${ms(appendP50Ms.median)} ms`);
  if (memory) lines.push(residentLine(memory.idle, memory.after, answered.allocate));
  return lines;
}

function throughputTargets({ levels, appendP50Ms }: Throughput): Target[] {
  const targets: Target[] = [];
  const at = (inFlight: number): Level | undefined => levels.find((level) => level.inFlight === inFlight);
  const atLeast = (name: string, value: Spread | undefined, least: number) => {
    if (!value) return;
    targets.push({ name, value: two(value.median), limit: `>= ${two(least)}`, isMet: value.median >= least });
  };
  atLeast('allocate / echo at 64 in flight', at(64)?.allocateToEcho, 0.7);
  atLeast('allocate / echo at 400 in flight', at(400)?.allocateToEcho, 0.7);
  atLeast('allocate / one transaction per call at 64 in flight', at(64)?.allocateToOnePerCall, 6);
  const lone = at(1);
  if (lone && appendP50Ms) {
    const [value, echo, append] = [lone.peers.allocate.p50Ms.median, lone.peers.echo.p50Ms.median, appendP50Ms.median];
    targets.push({
      name: 'p50 of a lone allocation: the echo and twice the append',
      value: `${ms(value)} ms`,
      limit: `<= ${ms(echo)} + 2 x ${ms(append)} = ${ms(echo + 2 * append)} ms`,
      isMet: value <= echo + 2 * append,
    });
  }
  return targets;
}

function memoryLines({ inFlight, idle, after, load }: Memory): string[] {
  return [
    residentLine(idle, after, load.calls),
    `at ${inFlight} in flight: ${load.rps.toFixed(0)}/s, p50 ${ms(load.p50Ms)} ms, p99 ${ms(load.p99Ms)} ms; no gaps`,
  ];
}

function memoryTargets({ idle, after, load }: Memory): Target[] {
  return [
    { name: 'resident memory, idle', value: megabytes(idle.now), limit: '<= 200 MB', isMet: idle.now <= 200e6 },
    {
      name: `resident memory, after ${load.calls} allocations`,
      value: megabytes(after.now),
      limit: '<= 350 MB',
      isMet: after.now <= 350e6,
    },
  ];
}

function bigLedgerLines({ rows, databaseBytes, startMs, startAfterKillMs, walBytes }: BigLedger): string[] {
  return [
    `ledger of ${rows} rows, ${megabytes(databaseBytes)}; from the spawn to "serving", medians with min and max:`,
    `after a stop ${milliseconds(startMs)}`,
    `after kill -9 under load, with a WAL of ${megabytes(walBytes.median)}: ${milliseconds(startAfterKillMs)}`,
    'no gaps',
  ];
}

function bigLedgerTargets({ rows, startMs, startAfterKillMs }: BigLedger): Target[] {
  return [startTarget(`start with ${rows} rows`, startMs), startTarget('start after kill -9', startAfterKillMs)];
}

function surfaceLines({ readings, server, watching, http }: Surface): string[] {
  return [
    `listed ${perSecond(readings.listed)}`,
    `watched from 0 ${perSecond(readings.watched)}`,
    `verified ${perSecond(readings.verified)}`,
    `peak resident memory: server ${megabytes(server.peak)}, client ${megabytes(readings.peakBytes)}`,
    `64 in flight over ${watching.watchers} stores: ${watching.without.median.toFixed(0)}/s without watchers, ` +
      `${watching.with.median.toFixed(0)}/s with one per store; within a round ${ratio(watching.ratio)}; ` +
      `at most ${ms(watching.latestMs)} ms behind, ${ms(watching.meanMs)} on average`,
    `the sample's autocannon command: ${http.rps.toFixed(0)}/s, p50 ${ms(http.p50Ms)} ms, p99 ${ms(http.p99Ms)} ms, ` +
      `${http.failed} of ${http.requests} failed`,
  ];
}

function surfaceTargets({ readings, watching, http }: Surface): Target[] {
  const verified = (readings.verified.allocations / readings.verified.ms) * 1000;
  const counts = [readings.listed, readings.watched, readings.verified].map(({ allocations }) => allocations);
  return [
    {
      name: 'listed = watched = verified',
      value: counts.join(', '),
      limit: 'equal',
      isMet: new Set(counts).size === 1,
    },
    { name: 'rows verified per second', value: verified.toFixed(0), limit: '>= 500000', isMet: verified >= 500_000 },
    {
      name: 'throughput with watchers',
      value: two(watching.ratio.median),
      limit: '>= 0.80',
      isMet: watching.ratio.median >= 0.8,
    },
    {
      name: 'highest lag of a watcher',
      value: `${watching.latestMs.toFixed(0)} ms`,
      limit: '<= 1000 ms',
      isMet: watching.latestMs <= 1000,
    },
    { name: 'autocannon errors', value: String(http.failed), limit: '0', isMet: http.failed === 0 },
  ];
}

function startTarget(name: string, { median }: Spread): Target {
  return { name, value: `${median.toFixed(0)} ms`, limit: '< 2000 ms', isMet: median < 2000 };
}

function targetsTable(targets: readonly Target[]): string[] {
  const rows = targets.map(({ name, value, limit, isMet }) => [name, value, limit, isMet ? 'met' : 'MISSED']);
  return table(rows, ['left', 'right', 'left', 'left']);
}

function residentLine(idle: ResidentMemory, after: ResidentMemory, allocations: number): string {
  return (
    `resident memory: ${megabytes(idle.now)} idle, ${megabytes(after.now)} after ${allocations} allocations, ` +
    `${megabytes(after.peak)} at peak`
  );
}

function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

function milliseconds({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} ms (${min.toFixed(0)}..${max.toFixed(0)})`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

function perSecond(reading: { readonly allocations: number; readonly ms: number }): string {
  return `${reading.allocations} in ${ms(reading.ms / 1000)} s, ${((reading.allocations / reading.ms) * 1000).toFixed(0)}/s`;
}
