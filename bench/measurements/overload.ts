import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientProcess } from '../generators/client-load.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import { missingH2load, runClosedLoop, runFlood } from '../generators/h2load.ts';
import type { Probe } from '../generators/probes.ts';
import { startProbes } from '../generators/probes.ts';
import { CommitWatch } from '../ledgers/commit-watch.ts';
import { densityOf } from '../ledgers/density.ts';
import { STORES } from '../ours/client-peers.ts';
import { ONE_ORDER } from '../ours/unary-peers.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { quantile } from '../statistics.ts';

/** In flight at the peak. */
const PEAK = { 'one per call': 400, combined: 2000 } as const;
const TIMES_IN_FLIGHT = 10;
const TIMES_RATE = 2;
/** The load lasts longer than the runs of a comparison. */
const STRETCH = 3;
/** The load's beginning, until its processes have started and the queues are full. */
const SETTLING_MS = 500;
/** How long the server is probed before and after the load. */
const QUIET_MS = 3000;
/** Probes that have to be as before, one after the other, until the server counts as normal: half a second. */
const NORMAL_PROBES = 25;
/** A probe is normal if it takes no longer than this many times the p99 before, or than this. */
const NORMAL_TIMES = 2;
const NORMAL_MS = 20;

export interface OverloadOptions {
  readonly seconds: number;
  readonly folder: string;
  progress(line: string): void;
}

/** Calls of a caller that does nothing else. */
export interface ProbeSummary {
  readonly answered: number;
  readonly answeredP50Ms: number;
  readonly answeredP99Ms: number;
  readonly refused: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  /** Calls that ended in another way, such as a deadline. */
  readonly failed: number;
}

/** A load that is more than the server can do. */
export interface OverloadCase {
  readonly name: string;
  readonly peakPerSecond: number;
  /** Orders that were numbered per second while the load was offered. */
  readonly goodputPerSecond: number;
  readonly goodputToPeak: number;
  readonly before: ProbeSummary;
  readonly during: ProbeSummary;
  /** From the end of the offered load until the probes are as before. */
  readonly normalAfterMs: number;
  readonly idleBytes: number;
  readonly peakBytes: number;
}

export interface Overload {
  readonly cases: readonly OverloadCase[];
}

/** A load that is too much. */
interface Offer {
  readonly name: string;
  readonly peakPerSecond: number;
  /** Resolves when all of it is answered or refused. */
  run(server: ServerProcess, client: ClientProcess): Promise<unknown>;
  /** For how long orders are asked for; absent means until `run` resolves. */
  readonly seconds?: number;
}

/** Measures the peak of both ways, then offers ten times the calls in flight, and twice the rate. */
export async function measureOverload(options: OverloadOptions): Promise<Overload> {
  const missing = await missingH2load();
  if (missing !== undefined) throw new Error(missing);
  const [unary, combined] = await measurePeaks(options);
  const cases: OverloadCase[] = [];
  for (const offer of [...unaryOffers(unary, options), ...combinedOffers(combined, options)])
    cases.push(await measureCase(offer, options));
  return { cases };
}

function unaryOffers(peakPerSecond: number, options: OverloadOptions): Offer[] {
  const seconds = options.seconds * STRETCH;
  const inFlight = PEAK['one per call'] * TIMES_IN_FLIGHT;
  const rate = Math.round(peakPerSecond * TIMES_RATE);
  const load = ({ address }: ServerProcess, perSecond: number) => {
    const calls = Math.round(perSecond * seconds);
    return { address, ...ONE_ORDER, calls, folder: options.folder };
  };
  return [
    {
      name: `one per call, ${inFlight} in flight`,
      peakPerSecond,
      run: (server) => runClosedLoop(load(server, peakPerSecond), inFlight),
    },
    {
      name: `one per call, ${rate}/s`,
      peakPerSecond,
      seconds,
      run: (server) => runFlood(load(server, rate), rate),
    },
  ];
}

function combinedOffers(peakPerSecond: number, options: OverloadOptions): Offer[] {
  const seconds = options.seconds * STRETCH;
  const inFlight = PEAK.combined * TIMES_IN_FLIGHT;
  const rate = Math.round(peakPerSecond * TIMES_RATE);
  return [
    {
      name: `combined, ${inFlight} in flight`,
      peakPerSecond,
      run: (_, client) => client.ask({ inFlight, orders: Math.round(peakPerSecond * seconds), stores: STORES }),
    },
    {
      name: `combined, ${rate}/s`,
      peakPerSecond,
      seconds,
      run: (_, client) => client.ask({ inFlight: 0, orders: rate * seconds, stores: STORES, perSecond: rate }),
    },
  ];
}

async function measurePeaks({ seconds, folder, progress }: OverloadOptions): Promise<[number, number]> {
  const server = await ServerProcess.serve(join(folder, 'peak.db'));
  const client = startClient(server.address);
  const load = { address: server.address, ...ONE_ORDER, folder };
  const combined = async (orders: number) => {
    const result = await client.ask({ inFlight: PEAK.combined, orders, stores: STORES });
    requireAnswers(result, orders);
    return (orders / result.ms) * 1000;
  };
  await runClosedLoop({ ...load, calls: 8000 }, PEAK['one per call']);
  const { perSecond: unaryPeak } = await runClosedLoop({ ...load, calls: 8000 * seconds }, PEAK['one per call']);
  await combined(40_000);
  const combinedPeak = await combined(30_000 * seconds);
  await client.end();
  await server.stop();
  progress(`peaks: ${Math.round(unaryPeak)}/s one per call, ${Math.round(combinedPeak)}/s combined`);
  return [unaryPeak, combinedPeak];
}

async function measureCase(offer: Offer, { folder, progress }: OverloadOptions): Promise<OverloadCase> {
  const { name, peakPerSecond } = offer;
  const ledger = join(folder, `overload-${name.replaceAll(/\W+/g, '-')}.db`);
  const server = await ServerProcess.serve(ledger);
  const client = startClient(server.address);
  requireAnswers(await client.ask({ inFlight: 64, orders: 5000, stores: STORES }), 5000);
  const idleBytes = server.requireMemory().now;
  const probes = await startProbes(server.address);
  await delay(QUIET_MS);
  const watch = new CommitWatch(ledger);
  const beganMs = now();
  await offer.run(server, client);
  const endedMs = offer.seconds === undefined ? now() : beganMs + offer.seconds * 1000;
  await delay(QUIET_MS);
  watch.stop();
  const seen = await probes.stop();
  const peakBytes = server.requireMemory().peak;
  await client.end();
  await server.stop();
  const { holes, repeats } = densityOf(ledger);
  if (holes + repeats > 0) throw new Error(`${name}: ${holes} holes and ${repeats} repeats`);

  const perSecond = watch.perSecond(beganMs + SETTLING_MS, endedMs);
  const within = (from: number, to: number) => seen.filter(({ atMs }) => atMs >= from && atMs < to);
  const before = summarize(within(-Infinity, beganMs));
  const result = {
    name,
    peakPerSecond,
    goodputPerSecond: perSecond,
    goodputToPeak: perSecond / peakPerSecond,
    before,
    during: summarize(within(beganMs + SETTLING_MS, endedMs)),
    normalAfterMs: normalAfter(within(endedMs, Infinity), endedMs, before.answeredP99Ms),
    idleBytes,
    peakBytes,
  };
  progress(`${name}: ${Math.round(perSecond)}/s, ${result.goodputToPeak.toFixed(2)} of the peak`);
  return result;
}

/** Milliseconds from `sinceMs` to the first of many probes in a row that are as before; NaN if there are none. */
export function normalAfter(probes: readonly Probe[], sinceMs: number, p99Ms: number): number {
  const bound = Math.max(NORMAL_MS, p99Ms * NORMAL_TIMES);
  const inOrder = probes.toSorted((a, b) => a.atMs - b.atMs);
  const isNormal = inOrder.map(({ code, tookMs }) => code === 'OK' && tookMs <= bound);
  const first = isNormal.findIndex(
    (_, i) => i + NORMAL_PROBES <= isNormal.length && isNormal.slice(i, i + NORMAL_PROBES).every(Boolean),
  );
  return first < 0 ? Number.NaN : inOrder[first]!.atMs - sinceMs;
}

function summarize(probes: readonly Probe[]): ProbeSummary {
  const took = (code: string) =>
    probes
      .filter((probe) => probe.code === code)
      .map(({ tookMs }) => tookMs)
      .toSorted((a, b) => a - b);
  const [answered, refused] = [took('OK'), took('RESOURCE_EXHAUSTED')];
  return {
    answered: answered.length,
    answeredP50Ms: quantile(answered, 0.5),
    answeredP99Ms: quantile(answered, 0.99),
    refused: refused.length,
    refusedP50Ms: quantile(refused, 0.5),
    refusedP99Ms: quantile(refused, 0.99),
    failed: probes.length - answered.length - refused.length,
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
