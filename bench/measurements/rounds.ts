import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Density, Level, LoadResult, Peer, RunningPeer } from '../peer.ts';

/** Orders of the first run of a level, whose rate is not known yet … */
const FIRST_ORDERS = 1000;
/** … and at least so many for each in flight. */
const FIRST_PER_IN_FLIGHT = 10;
/** A run is sized for at most this many times the latest rate, even if the best rate was higher. */
const MAX_STRETCH = 2;

export interface RoundsOptions {
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** How long a run should take. */
  readonly seconds: number;
  /** Parent of a folder for each peer. */
  readonly folder: string;
  progress(line: string): void;
}

/** One run of one peer. The rounds that count begin with 1. */
export interface Run {
  readonly peer: string;
  readonly level: Level;
  readonly round: number;
  readonly result: LoadResult;
}

export interface Rounds {
  readonly runs: readonly Run[];
  /** What each peer has stored at the end, by its name. */
  readonly densities: ReadonlyMap<string, Density>;
  /** Why a peer is left out, by its name. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/**
 * Runs all peers in alternation, level by level, every second round in reverse order. All of them run for the whole time,
 * and rest while another is loaded. Round 0 is a warm-up. Peers that this machine lacks are left out.
 */
export async function runRounds({ peers, rounds, seconds, folder, progress }: RoundsOptions): Promise<Rounds> {
  const leftOut = new Map<string, string>();
  const running = new Map<Peer, RunningPeer>();
  try {
    for (const peer of peers) {
      const missing = await peer.missing();
      if (missing === undefined) running.set(peer, await startIn(join(folder, peer.name), peer));
      else {
        leftOut.set(peer.name, missing);
        progress(`LEFT OUT: ${peer.name}: ${missing}`);
      }
    }
    const runs: Run[] = [];
    for (let round = 0; round <= rounds; round++) {
      for (const { peer, level } of schedule([...running.keys()], round)) {
        const result = await running.get(peer)!.load(level, ordersFor(runs, peer, level, seconds));
        runs.push({ peer: peer.name, level, round, result });
        progress(`${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}: ${describe(peer, level, result)}`);
      }
    }
    progress('checking for holes and repeats');
    const densities = new Map<string, Density>();
    for (const [peer, started] of running) densities.set(peer.name, await started.check());
    return { runs, densities, leftOut };
  } finally {
    for (const peer of running.values()) await peer.stop();
  }
}

/** Throws unless each peer has stored exactly the orders that it answered. */
export function requireAllStored(runs: readonly Run[], densities: ReadonlyMap<string, Density>): void {
  for (const [name, { orders }] of densities) {
    const answered = runs.filter(({ peer }) => peer === name).reduce((sum, { result }) => sum + result.answered, 0);
    if (orders !== answered) throw new Error(`${name} answered ${answered} orders, but has stored ${orders}`);
  }
}

/** The orders in flight, and their pipelines if there are any: "2000", or "2000 (125 x 16)". */
export function levelName({ inFlight, pipelined = 1 }: Level): string {
  return pipelined === 1 ? String(inFlight) : `${inFlight} (${inFlight / pipelined} x ${pipelined})`;
}

/** Level by level, so that figures that are compared are measured close together. */
function schedule(peers: readonly Peer[], round: number): { peer: Peer; level: Level }[] {
  const all = peers.flatMap((peer) => peer.levels.map((level) => ({ peer, level })));
  const ordered = round % 2 === 0 ? all : all.toReversed();
  return ordered.toSorted((a, b) => a.level.inFlight - b.level.inFlight);
}

/** As many as the peer did in this time at its best so far. */
function ordersFor(runs: readonly Run[], peer: Peer, level: Level, seconds: number): number {
  const earlier = runs.filter((run) => run.peer === peer.name && levelName(run.level) === levelName(level));
  const first = Math.max(FIRST_ORDERS * Math.min(1, level.inFlight / 4), FIRST_PER_IN_FLIGHT * level.inFlight);
  if (earlier.length === 0) return first;
  const best = Math.max(...earlier.map(({ result }) => result.perSecond));
  const latest = earlier.at(-1)!.result.perSecond;
  // The generators share the orders among up to 64 connections.
  const orders = Math.min(best, latest * MAX_STRETCH) * seconds;
  return Math.max(level.inFlight, Math.round(orders / level.inFlight) * level.inFlight);
}

async function startIn(folder: string, peer: Peer): Promise<RunningPeer> {
  mkdirSync(folder);
  return peer.start(folder);
}

function describe(peer: Peer, level: Level, { perSecond, p50Ms, generatorMicros, serverMicros }: LoadResult): string {
  const p50 = p50Ms === undefined ? '' : `, p50 ${p50Ms.toFixed(2)} ms`;
  return (
    `${peer.name}, ${levelName(level)} in flight: ${Math.round(perSecond)}/s${p50}` +
    microsText('server', serverMicros) +
    microsText('generator', generatorMicros)
  );
}

function microsText(name: string, value: number | undefined): string {
  return value === undefined ? '' : `, ${name} ${value.toFixed(0)} µs`;
}
