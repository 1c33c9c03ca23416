import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientProcess } from '../generators/client-load.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import type { UnaryResult } from '../generators/h2load.ts';
import { missingH2load, runClosedLoop, runFlood } from '../generators/h2load.ts';
import type { Probe } from '../generators/probes.ts';
import { startProbes } from '../generators/probes.ts';
import { CommitWatch } from '../ledgers/commit-watch.ts';
import { densityOf } from '../ledgers/density.ts';
import { STORES } from '../ours/client-peers.ts';
import { BATCH, ONE_ORDER, ORDERS_PER_BATCH } from '../ours/unary-peers.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { quantile } from '../statistics.ts';

/** A way of h2load to ask for orders. */
interface UnaryWay {
  readonly name: string;
  readonly call: typeof ONE_ORDER;
  readonly ordersPerCall: number;
  /** Calls in flight at the peak. */
  readonly peakInFlight: number;
  /** Of each of the four generators when they flood: more calls than a server lets wait. */
  readonly connections: number;
}

const UNARY_WAYS: readonly UnaryWay[] = [
  { name: 'one per call', call: ONE_ORDER, ordersPerCall: 1, peakInFlight: 400, connections: 8 },
  { name: '1000 per call', call: BATCH, ordersPerCall: ORDERS_PER_BATCH, peakInFlight: 8, connections: 1 },
];
/** A client is not asked for twice its rate: on two cores it could not ask so fast, and would refuse by itself. */
const CLIENT_IN_FLIGHT = 2000;
const TIMES_IN_FLIGHT = 10;
const TIMES_RATE = 2;
/** Orders before and, times the seconds, for the measurement of a peak. */
const WARM_UP = 40_000;
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
  /** The share of its orders that was refused, and how long its calls took, refused or not. */
  readonly refusedShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What another caller met. */
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

/** One way to ask for orders, and how much of it is too much. */
interface Offer {
  readonly name: string;
  /** Orders per second at the peak, on a server that is to be overloaded next. */
  peak(): Promise<number>;
  /** Resolves when all is answered or refused, to what the asking saw of it. */
  run(peakPerSecond: number): Promise<Asked>;
  /** Orders are asked for during these seconds; absent means until `run` resolves. */
  readonly seconds?: number;
}

/** What became of the orders of an overload, as far as a generator knows: how long all of its calls took. */
interface Asked {
  readonly orders: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Offers ten times the calls in flight, and twice the rate, of the peak; each case has a server of its own. */
export async function measureOverload(options: OverloadOptions): Promise<Overload> {
  const missing = await missingH2load();
  if (missing !== undefined) throw new Error(missing);
  const cases: OverloadCase[] = [];
  for (const [i, offerTo] of offers(options).entries()) cases.push(await measureCase(offerTo, i, options));
  return { cases };
}

type OfferTo = (server: ServerProcess, client: ClientProcess) => Offer;

function offers({ seconds, folder }: OverloadOptions): OfferTo[] {
  const long = seconds * STRETCH;
  const both = ({ name, call, ordersPerCall, peakInFlight, connections }: UnaryWay): OfferTo[] => {
    const inFlight = peakInFlight * TIMES_IN_FLIGHT;
    const loadOf = ({ address }: ServerProcess, orders: number) => {
      return { address, ...call, folder, calls: Math.ceil(orders / ordersPerCall) };
    };
    const asked = ({ calls, p50Ms, p99Ms }: UnaryResult) => ({ orders: calls * ordersPerCall, p50Ms, p99Ms });
    const peakOf = async (server: ServerProcess) => {
      const warm = await runClosedLoop(loadOf(server, WARM_UP), peakInFlight);
      const orders = warm.perSecond * ordersPerCall * seconds;
      return (await runClosedLoop(loadOf(server, orders), peakInFlight)).perSecond * ordersPerCall;
    };
    return [
      (server) => ({
        name: `${name}, ${inFlight} calls in flight`,
        peak: () => peakOf(server),
        run: async (peak) => asked(await runClosedLoop(loadOf(server, peak * long), inFlight)),
      }),
      (server) => ({
        name: `${name}, twice the rate`,
        peak: () => peakOf(server),
        seconds: long,
        run: async (peak) => {
          const rate = peak * TIMES_RATE;
          return asked(await runFlood(loadOf(server, rate * long), rate / ordersPerCall, connections));
        },
      }),
    ];
  };
  return [...UNARY_WAYS.flatMap(both), (_, client) => clientOffer(client, seconds)];
}

function clientOffer(client: ClientProcess, seconds: number): Offer {
  const ask = async (inFlight: number, orders: number) => {
    const result = await client.ask({ inFlight, orders: Math.round(orders), stores: STORES });
    requireAnswers(result, Math.round(orders));
    return result;
  };
  const inFlight = CLIENT_IN_FLIGHT * TIMES_IN_FLIGHT;
  return {
    name: `client, ${inFlight} in flight`,
    async peak() {
      await ask(CLIENT_IN_FLIGHT, WARM_UP);
      const orders = WARM_UP * seconds;
      return (orders / (await ask(CLIENT_IN_FLIGHT, orders)).ms) * 1000;
    },
    async run(peak) {
      const { answered, p50Ms, p99Ms } = await ask(inFlight, peak * seconds * STRETCH);
      return { orders: answered, p50Ms, p99Ms };
    },
  };
}

async function measureCase(offerTo: OfferTo, i: number, { folder, progress }: OverloadOptions): Promise<OverloadCase> {
  const ledger = join(folder, `overload-${i}.db`);
  const server = await ServerProcess.serve(ledger);
  const client = startClient(server.address);
  const idleBytes = server.requireMemory().now;
  const offer = offerTo(server, client);
  const peakPerSecond = await offer.peak();
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
  const { holes, repeats } = densityOf(ledger);
  if (holes + repeats > 0) throw new Error(`${offer.name}: ${holes} holes and ${repeats} repeats`);

  const perSecond = watch.perSecond(beganMs + SETTLING_MS, endedMs);
  const within = (from: number, to: number) => seen.filter(({ atMs }) => atMs >= from && atMs < to);
  const before = summarize(within(-Infinity, beganMs));
  progress(`${offer.name}: ${Math.round(perSecond)}/s of ${Math.round(peakPerSecond)}/s at the peak`);
  return {
    name: offer.name,
    peakPerSecond,
    goodputPerSecond: perSecond,
    goodputToPeak: perSecond / peakPerSecond,
    // The probes are numbered, too, but are few.
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
