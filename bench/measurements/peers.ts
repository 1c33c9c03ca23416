import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Density } from '../peer.ts';
import { EVERY_PEER } from '../peers/every-peer.ts';
import type { KillResult } from '../peers/kill-under-load.ts';
import { killUnderLoad } from '../peers/kill-under-load.ts';
import { client, clientOnPostgres } from '../peers/ours.ts';
import { hotRow } from '../peers/postgres/hot-row.ts';
import { rowLock } from '../peers/postgres/row-lock.ts';
import { redis } from '../peers/redis/redis-peer.ts';
import { sqlitePerOrder } from '../peers/sqlite/sqlite-peer.ts';
import type { MeasuredLevel, Ratio, RatioSpec } from './compared.ts';
import { Compared } from './compared.ts';
import { runRounds } from './rounds.ts';

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
  /** For what the peers store; emptied at the end. */
  readonly folder: string;
  progress(line: string): void;
}

/** A peer with its figures. */
export interface PeerFigures {
  readonly name: string;
  readonly work: string;
  readonly levels: readonly MeasuredLevel[];
  /** Whether it is our server. */
  readonly isOurs: boolean;
  /** After all loads. */
  readonly density: Density;
  /** One per kill. */
  readonly kills: readonly KillResult[];
}

export interface PeersResult {
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly PeerFigures[];
  readonly ratios: readonly Ratio[];
  /** Why peers are missing, by their names. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/**
 * Measures our server and what does the same work in alternation, reads what each has stored, and then kills each of
 * them under load.
 */
export async function measurePeers(options: PeersOptions, peers = EVERY_PEER): Promise<PeersResult> {
  const { rounds, seconds, folder, progress } = options;
  const { runs, densities, leftOut } = await inNewFolder(folder, (own) =>
    runRounds({ peers, rounds, seconds, folder: own, progress }),
  );
  const compared = new Compared(runs);
  const figures: PeerFigures[] = [];
  for (const peer of peers.filter(({ name }) => densities.has(name))) {
    const { name, work } = peer;
    const density = densities.get(name)!;
    requireAnswered(
      name,
      density,
      runs.filter((run) => run.peer === name).map(({ result }) => result.answered),
    );
    progress(`kill -9 under load: ${name}`);
    const kills: KillResult[] = [];
    while (kills.length < KILLS) kills.push(await inNewFolder(folder, (own) => killUnderLoad(peer, own)));
    figures.push({ name, work, levels: compared.levels(name), isOurs: OURS.has(peer), density, kills });
  }
  const ratios = RATIOS.flatMap((spec) => compared.ratio(spec) ?? []);
  return { rounds, seconds, peers: figures, ratios, leftOut: Object.fromEntries(leftOut) };
}

function requireAnswered(name: string, { orders }: Density, answered: readonly number[]): void {
  const all = answered.reduce((sum, count) => sum + count, 0);
  if (orders !== all) throw new Error(`${name} answered ${all} orders, but has stored ${orders}`);
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
