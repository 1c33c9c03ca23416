import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openReadConnection } from '../../src/engines/sqlite/file/connection.ts';
import type { ClientProcess } from '../generators/client-load.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import type { Keys } from '../ledgers/keys.ts';
import { STORES } from '../ours/client-peers.ts';
import { runChild } from '../processes/child-process.ts';
import { Program } from '../processes/program.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { ReplayQuestion, ReplayResult } from '../programs/replays.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const IN_FLIGHT = 2000;
const STARTS = 3;
const REPLAYS = 300;
/** What the names of a ledger's files end in. */
const ENDS = ['', '-wal', '-shm', '.mark', '.lock'];
/** A server is killed once its WAL has at least this size. */
const WAL_BYTES = 4 * 2 ** 20;

export interface LedgerSizeOptions {
  /** Sizes in rows. */
  readonly rows: readonly number[];
  readonly keys: readonly Keys[];
  readonly rounds: number;
  readonly seconds: number;
  /** Folder for the ledgers. */
  readonly folder: string;
  /** Folder on the same file system with ledgers that were made before. */
  readonly made: string | undefined;
  progress(line: string): void;
}

/** A ledger that had this many rows, with keys of this kind, before it was measured. */
export interface SizedLedger {
  readonly rows: number;
  readonly keys: Keys;
  readonly bytes: number;
  /** From the spawn of the real command to its log line "serving", after a stop and after kill -9 under load. */
  readonly startMs: Spread;
  readonly startAfterKillMs: Spread;
  readonly perSecond: Spread;
  /** The ratio to a new ledger, within each round and with the same kind of keys. */
  readonly toNew: Spread;
  /** p50 of lone orders: of new ones, and of replays of the oldest in the ledger. */
  readonly freshP50Ms: Spread;
  readonly replayP50Ms: Spread;
  readonly replayToFresh: Spread;
}

export interface LedgerSize {
  readonly inFlight: number;
  readonly rounds: number;
  readonly ledgers: readonly SizedLedger[];
}

/** Measures ledgers of several sizes, each beside a new one, with one combining client each. */
export async function measureLedgerSize(options: LedgerSizeOptions): Promise<LedgerSize> {
  const ledgers: SizedLedger[] = [];
  for (const rows of options.rows) {
    for (const keys of options.keys) ledgers.push(await measureSize(rows, keys, options));
  }
  return { inFlight: IN_FLIGHT, rounds: options.rounds, ledgers };
}

async function measureSize(rows: number, keys: Keys, options: LedgerSizeOptions): Promise<SizedLedger> {
  const { folder, made, progress } = options;
  const [large, small] = [join(folder, 'large.db'), join(folder, 'small.db')];
  const ready = made === undefined ? undefined : join(made, `${rows}-${keys}.db`);
  if (ready !== undefined && existsSync(ready)) {
    progress(`using ${ready}`);
    moveLedger(ready, large);
  } else {
    progress(`creating a ledger of ${rows} rows with ${keys} keys`);
    await makeLedger(large, rows, keys);
  }
  await makeLedger(small, 0, keys);
  const bytes = statSync(large).size;
  const oldest = oldestOf(large, rows);
  const starts = await measureStarts(large, keys, progress);
  const rates = await measureRates(large, small, keys, options);
  const replays = rows === 0 ? [] : await measureReplays(large, oldest, keys, options.rounds);
  for (const path of [large, small]) {
    for (const end of ENDS) rmSync(path + end, { force: true });
  }
  const spreadOf = (of: (result: ReplayResult) => number) =>
    spread(replays.length > 0 ? replays.map(of) : [Number.NaN]);
  return {
    rows,
    keys,
    bytes,
    ...starts,
    perSecond: spread(rates.large),
    toNew: spread(rates.large.map((rate, round) => rate / rates.small[round]!)),
    freshP50Ms: spreadOf(({ freshP50Ms }) => freshP50Ms),
    replayP50Ms: spreadOf(({ replayP50Ms }) => replayP50Ms),
    replayToFresh: spreadOf(({ freshP50Ms, replayP50Ms }) => replayP50Ms / freshP50Ms),
  };
}

async function makeLedger(path: string, rows: number, keys: Keys): Promise<void> {
  if (rows === 0) return (await ServerProcess.serve(path)).stop();
  const args = ['bench/ledgers/make-ledger.ts', path, `--rows=${rows}`, `--stores=${STORES}`, `--keys=${keys}`];
  const { code, stderr } = await runChild(process.execPath, args);
  if (code !== 0) throw new Error(`make-ledger.ts ended with ${code}: ${stderr.trim()}`);
}

function moveLedger(from: string, to: string): void {
  for (const end of ENDS) {
    if (existsSync(from + end)) renameSync(from + end, to + end);
  }
}

/** Keys at equal distances in the oldest hundredth of the ledger, which was not read for the longest time. */
function oldestOf(path: string, rows: number): ReplayQuestion['oldest'] {
  const db = openReadConnection(path);
  try {
    const step = BigInt(Math.max(1, Math.floor(rows / 100 / REPLAYS)));
    const read = db.prepare<[bigint], { store_id: bigint; request_id: string }>(
      'SELECT store_id, request_id FROM allocations WHERE order_id = ?',
    );
    const found = Array.from({ length: REPLAYS }, (_, i) => read.get(BigInt(i) * step + 1n));
    return found
      .filter((row) => row !== undefined)
      .map((row) => ({ storeId: Number(row.store_id), requestId: row.request_id }));
  } finally {
    db.close();
  }
}

async function measureStarts(path: string, keys: Keys, progress: (line: string) => void) {
  const startMs: number[] = [];
  const startAfterKillMs: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const server = await ServerProcess.serve(path);
    startMs.push(server.startMs);
    await killUnderLoad(server, path, keys);
    const again = await ServerProcess.serve(path);
    startAfterKillMs.push(again.startMs);
    await again.stop();
    progress(`start ${Math.round(startMs[i]!)} ms, after kill -9 ${Math.round(startAfterKillMs[i]!)} ms`);
  }
  return { startMs: spread(startMs), startAfterKillMs: spread(startAfterKillMs) };
}

/** Kills a server while it commits, as soon as its WAL is large. */
async function killUnderLoad(server: ServerProcess, path: string, keys: Keys): Promise<void> {
  const client = startClient(server.address);
  const load = client.ask({ inFlight: IN_FLIGHT, orders: 10_000_000, stores: STORES, keys });
  load.catch(() => {});
  while ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) < WAL_BYTES) await delay(10);
  await server.kill();
  await client.end();
}

async function measureRates(
  large: string,
  small: string,
  keys: Keys,
  { rounds, seconds, progress }: LedgerSizeOptions,
) {
  const servers = { large: await ServerProcess.serve(large), small: await ServerProcess.serve(small) };
  const clients = { large: startClient(servers.large.address), small: startClient(servers.small.address) };
  const rates: Record<keyof typeof clients, number[]> = { large: [], small: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const which of round % 2 === 0 ? (['large', 'small'] as const) : (['small', 'large'] as const)) {
      const rate = await rateOf(clients[which], keys, (rates[which].at(-1) ?? 10_000) * seconds);
      if (round > 0 || rounds === 0) rates[which].push(rate);
      progress(`round ${round} of ${rounds}: ${Math.round(rate)}/s with the ${which} ledger`);
    }
  }
  for (const which of ['large', 'small'] as const) {
    await clients[which].end();
    await servers[which].stop();
  }
  return rates;
}

async function rateOf(client: ClientProcess, keys: Keys, orders: number): Promise<number> {
  const whole = Math.round(orders);
  const result = await client.ask({ inFlight: IN_FLIGHT, orders: whole, stores: STORES, keys });
  requireAnswers(result, whole);
  return (whole / result.ms) * 1000;
}

async function measureReplays(path: string, oldest: ReplayQuestion['oldest'], keys: Keys, rounds: number) {
  const server = await ServerProcess.serve(path);
  const program = new Program<ReplayQuestion, ReplayResult>('replays.ts', server.address);
  const results: ReplayResult[] = [];
  for (let round = 0; round <= rounds; round++) {
    // Each round replays other orders, because those just read are in memory.
    const part = oldest.filter((_, i) => i % (rounds + 1) === round);
    const result = await program.ask({ oldest: part, random: keys === 'uuidv4' });
    if (round > 0) results.push(result);
  }
  await program.end();
  await server.stop();
  return results;
}
