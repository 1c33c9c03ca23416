import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startClient } from '../generators/client-load.ts';
import { missingH2load } from '../generators/h2load.ts';
import type { Probe } from '../generators/probes.ts';
import { startProbes } from '../generators/probes.ts';
import { CommitWatch } from '../ledgers/commit-watch.ts';
import { densityOf, requireAllocations, requireDense } from '../ledgers/density.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { quantile } from '../statistics.ts';
import type { OfferTo } from './overload-offers.ts';
import { offers } from './overload-offers.ts';

/** The first part of a load, in which its processes start and the queues fill. */
const SETTLING_MS = 500;
/** How long the server is probed before and after the load. */
const QUIET_MS = 3000;
/** Probes in a row that have to be normal until the server counts as normal: half a second of them. */
const NORMAL_PROBES = 25;
/** A probe is normal if it takes no longer than this many times the p99 before the load, or than NORMAL_MS. */
const NORMAL_TIMES = 2;
const NORMAL_MS = 20;

export interface OverloadOptions {
  readonly seconds: number;
  readonly folder: string;
  progress(line: string): void;
}

/** The calls of a caller that does nothing else. */
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

/** A load that exceeds what the server can do. */
export interface OverloadCase {
  readonly name: string;
  readonly peakPerSecond: number;
  /** Orders numbered per second while the load was offered. */
  readonly goodputPerSecond: number;
  readonly goodputToPeak: number;
  /** The share of its orders that was refused, and how long its calls took, refused or not. */
  readonly refusedShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The calls of another caller, before the load and under it. */
  readonly before: ProbeSummary;
  readonly during: ProbeSummary;
  /** From the end of the offered load until the probes are normal again. */
  readonly normalAfterMs: number;
  readonly idleBytes: number;
  readonly peakBytes: number;
}

export interface Overload {
  readonly cases: readonly OverloadCase[];
}

/** Offers ten times the calls in flight, and twice the rate, of the peak; each case has a server of its own. */
export async function measureOverload(options: OverloadOptions): Promise<Overload> {
  const missing = await missingH2load();
  if (missing !== undefined) throw new Error(missing);
  const cases: OverloadCase[] = [];
  for (const [i, offerTo] of offers(options).entries()) cases.push(await measureCase(offerTo, i, options));
  return { cases };
}

async function measureCase(offerTo: OfferTo, i: number, { folder, progress }: OverloadOptions): Promise<OverloadCase> {
  const ledger = join(folder, `overload-${i}.db`);
  const server = await ServerProcess.serve(ledger);
  const client = startClient(server.address);
  const idleBytes = server.requireMemory().now;
  const offer = offerTo(server, client);
  const { perSecond: peakPerSecond, answered } = await offer.peak();
  requireAllocations(ledger, answered);
  const probes = await startProbes(server.address);
  await delay(QUIET_MS);
  const watch = new CommitWatch(ledger);
  const beganMs = now();
  const asked = await offer.run(peakPerSecond);
  const endedMs = offer.seconds === undefined ? now() : beganMs + offer.seconds * 1000;
  await delay(QUIET_MS);
  watch.stop();
  const seen = await probes.stop();
  const peakBytes = server.requireMemory().peak;
  await client.end();
  await server.stop();
  requireDense(offer.name, densityOf(ledger));

  const perSecond = watch.perSecond(beganMs + SETTLING_MS, endedMs);
  const within = (from: number, to: number) => seen.filter(({ atMs }) => atMs >= from && atMs < to);
  const before = summarize(within(-Infinity, beganMs));
  progress(`${offer.name}: ${Math.round(perSecond)}/s of ${Math.round(peakPerSecond)}/s at the peak`);
  return {
    name: offer.name,
    peakPerSecond,
    goodputPerSecond: perSecond,
    goodputToPeak: perSecond / peakPerSecond,
    // The numbered orders include those of the probes, which are few.
    refusedShare: Math.max(0, 1 - watch.numbered / asked.orders),
    p50Ms: asked.p50Ms,
    p99Ms: asked.p99Ms,
    before,
    during: summarize(within(beganMs + SETTLING_MS, endedMs)),
    normalAfterMs: normalAfter(within(endedMs, Infinity), endedMs, before.answeredP99Ms),
    idleBytes,
    peakBytes,
  };
}

/**
 * Milliseconds from `sinceMs` to the first of enough normal probes in a row; NaN if there are none. `p99Ms` is the one before
 * the load.
 */
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
