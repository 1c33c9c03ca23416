import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EVERY_PEER } from '../peers/every-peer.ts';
import type { KillResult } from '../peers/kill-under-load.ts';
import { killUnderLoad } from '../peers/kill-under-load.ts';
import { client, clientOnPostgres } from '../peers/ours.ts';
import { hotRow } from '../peers/postgres/hot-row.ts';
import { rowLock } from '../peers/postgres/row-lock.ts';
import { redis } from '../peers/redis/redis-peer.ts';
import { sqlitePerOrder } from '../peers/sqlite/sqlite-peer.ts';
import type { MeasuredPeer, Ratio, RatioSpec } from './run-figures.ts';
import { RunFigures } from './run-figures.ts';
import { requireAllStored, runRounds } from './rounds.ts';

/** How often each peer is killed. */
const KILLS = 3;
const IN_FLIGHT = 2000;

const OURS = new Set([client, clientOnPostgres]);
const RATIOS: readonly RatioSpec[] = [
  { of: { peer: client.name, inFlight: IN_FLIGHT }, to: { peer: redis.name }, atLeast: 2 },
  {
    of: { peer: client.name, inFlight: IN_FLIGHT },
    to: { peer: redis.name, inFlight: IN_FLIGHT, pipelined: 16 },
    atLeast: 1,
  },
  { of: { peer: client.name, inFlight: IN_FLIGHT }, to: { peer: sqlitePerOrder.name } },
  { of: { peer: clientOnPostgres.name, inFlight: IN_FLIGHT }, to: { peer: hotRow.name }, atLeast: 20 },
  { of: { peer: clientOnPostgres.name, inFlight: IN_FLIGHT }, to: { peer: rowLock.name } },
];

export interface PeersOptions {
  readonly rounds: number;
  /** How long each run takes. */
  readonly seconds: number;
  /** Parent of the folders for what the peers store, which are removed at the end. */
  readonly folder: string;
  progress(line: string): void;
}

/** A peer with its figures and its kills. */
export interface KilledPeer extends MeasuredPeer {
  readonly kills: readonly KillResult[];
}

export interface PeersResult {
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly KilledPeer[];
  readonly ratios: readonly Ratio[];
  /** Why peers are missing, by their names. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/**
 * Measures our server and other systems that do the same work in alternation, reads what each has stored, and then kills
 * each of them under load.
 */
export async function measurePeers(options: PeersOptions, peers = EVERY_PEER): Promise<PeersResult> {
  const { rounds, seconds, folder, progress } = options;
  const { runs, densities, leftOut } = await inNewFolder(folder, (own) =>
    runRounds({ peers, rounds, seconds, folder: own, progress }),
  );
  requireAllStored(runs, densities);
  const figures = new RunFigures(runs);
  const killed: KilledPeer[] = [];
  for (const peer of peers.filter(({ name }) => densities.has(name))) {
    const { name, work } = peer;
    const density = densities.get(name)!;
    progress(`kill -9 under load: ${name}`);
    const kills: KillResult[] = [];
    while (kills.length < KILLS) kills.push(await inNewFolder(folder, (own) => killUnderLoad(peer, own)));
    killed.push({ name, work, levels: figures.levels(name), isOurs: OURS.has(peer), density, kills });
  }
  const ratios = RATIOS.flatMap((spec) => figures.ratio(spec) ?? []);
  return { rounds, seconds, peers: killed, ratios, leftOut: Object.fromEntries(leftOut) };
}

async function inNewFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(parent, 'peers-'));
  chmodSync(folder, 0o755);
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
