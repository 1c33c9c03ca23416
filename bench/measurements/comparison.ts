import { join } from 'node:path';
import { BEFORE, COMBINED, SINGLE } from '../ours/client-peers.ts';
import { HTTP, HTTP_H2LOAD, NO_OP_H2LOAD, NO_OP_ROUTE } from '../ours/http-peers.ts';
import { ALLOCATE, ALLOCATE_MANY, ECHO, ONE_PER_CALL } from '../ours/unary-peers.ts';
import type { Peer } from '../peer.ts';
import { runChild } from '../processes/child-process.ts';
import type { MeasuredPeer, Ratio, RatioSpec } from './run-figures.ts';
import { RunFigures } from './run-figures.ts';
import { requireAllStored, runRounds } from './rounds.ts';

const APPENDS = 1000;

/** Our server, however it is called. */
const OURS: readonly Peer[] = [ALLOCATE, ALLOCATE_MANY, ONE_PER_CALL, COMBINED, SINGLE, BEFORE, HTTP, HTTP_H2LOAD];
export const PEERS: readonly Peer[] = [...OURS, ECHO, NO_OP_ROUTE, NO_OP_H2LOAD];

const at = (peer: Peer, inFlight: number) => ({ peer: peer.name, inFlight });
/** The ratios in the table. */
const RATIOS: readonly RatioSpec[] = [
  { of: at(ALLOCATE, 1), to: at(ECHO, 1) },
  { of: at(ALLOCATE, 64), to: at(ECHO, 64), atLeast: 0.7 },
  { of: at(ALLOCATE, 400), to: at(ECHO, 400), atLeast: 0.7 },
  { of: at(ALLOCATE, 64), to: at(ONE_PER_CALL, 64) },
  { of: at(ALLOCATE, 400), to: at(ONE_PER_CALL, 400) },
  { of: at(COMBINED, 1), to: at(BEFORE, 1), by: 'p50Ms', atMost: 1.03 },
  { of: at(COMBINED, 64), to: at(BEFORE, 64), atLeast: 3 },
  { of: at(COMBINED, 400), to: at(BEFORE, 400), atLeast: 8 },
  { of: at(COMBINED, 2000), to: at(BEFORE, 2000), atLeast: 14 },
  ...[64, 400, 2000].map((inFlight) => ({ of: at(COMBINED, inFlight), to: at(SINGLE, inFlight) })),
  { of: at(HTTP, 10), to: at(NO_OP_ROUTE, 10) },
  { of: at(HTTP, 64), to: at(NO_OP_ROUTE, 64), atLeast: 0.45 },
  { of: at(HTTP, 400), to: at(NO_OP_ROUTE, 400), atLeast: 0.6 },
  ...[64, 400].map((inFlight) => ({ of: at(HTTP_H2LOAD, inFlight), to: at(NO_OP_H2LOAD, inFlight) })),
];

export interface ComparisonOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Names of the peers to measure; absent means all. */
  readonly only: readonly string[] | undefined;
  readonly folder: string;
  progress(line: string): void;
}

export interface Comparison {
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly MeasuredPeer[];
  readonly ratios: readonly Ratio[];
  /** Why peers are missing, by their names. */
  readonly leftOut: Readonly<Record<string, string>>;
  /** p50 of an append of 4 KiB with fsync: the disk's share of a lone order. */
  readonly appendP50Ms: number;
}

/** Measures our server and its peers in alternation; each ledger is read from end to end afterwards. */
export async function measureComparison(options: ComparisonOptions): Promise<Comparison> {
  const { rounds, seconds, folder, progress } = options;
  const peers = chosen(options.only);
  const { runs, densities, leftOut } = await runRounds({ peers, rounds, seconds, folder, progress });
  requireAllStored(runs, densities);
  const figures = new RunFigures(runs);
  const measured = peers.filter(({ name }) => densities.has(name));
  return {
    rounds,
    seconds,
    peers: measured.map((peer) => ({
      name: peer.name,
      work: peer.work,
      levels: figures.levels(peer.name),
      density: densities.get(peer.name)!,
      isOurs: OURS.includes(peer),
    })),
    ratios: RATIOS.flatMap((spec) => figures.ratio(spec) ?? []),
    leftOut: Object.fromEntries(leftOut),
    appendP50Ms: await measureAppend(folder),
  };
}

/** The peers with these names. Throws an Error that lists the valid names if one is not. */
export function chosen(names: readonly string[] | undefined): readonly Peer[] {
  if (names === undefined) return PEERS;
  return names.map((wanted) => {
    const peer = PEERS.find(({ name }) => name === wanted);
    if (peer) return peer;
    throw new Error(`--only ${wanted} is not valid: use ${PEERS.map(({ name }) => name).join(',')}, or some of these`);
  });
}

async function measureAppend(folder: string): Promise<number> {
  const args = ['bench/programs/append-fsync.ts', join(folder, 'append'), String(APPENDS)];
  const { code, stdout, stderr } = await runChild(process.execPath, args);
  if (code !== 0) throw new Error(`append-fsync.ts ended with ${code}: ${stderr.trim()}`);
  return (JSON.parse(stdout) as { p50_ms: number }).p50_ms;
}
