import { join } from 'node:path';
import type { Peer } from '../peer.ts';
import { requireAnswers, startClient } from '../generators/client-load.ts';
import { densityOf, requireDense } from '../ledgers/density.ts';
import { loadedByClient } from '../ours/client-peers.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { MeasuredLevel } from './run-figures.ts';
import { RunFigures } from './run-figures.ts';
import { runRounds } from './rounds.ts';

const NUMBERS = [1, 10, 100, 1000, 10_000, 100_000] as const;
const IN_FLIGHT = 2000;

export interface StoresOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  progress(line: string): void;
}

/** Throughput of one combining client against the number of stores that it asks for in turn. */
export interface Stores {
  readonly rounds: number;
  readonly points: readonly { readonly stores: number; readonly level: MeasuredLevel }[];
}

export async function measureStores({ rounds, seconds, folder, progress }: StoresOptions): Promise<Stores> {
  const peers = NUMBERS.map(peerWith);
  const { runs, densities } = await runRounds({ peers, rounds, seconds, folder, progress });
  for (const [name, density] of densities) requireDense(name, density);
  const figures = new RunFigures(runs);
  return {
    rounds,
    points: NUMBERS.map((stores, i) => ({ stores, level: figures.levels(peers[i]!.name)[0]! })),
  };
}

/** A server of its own, whose stores are created before the rounds, because the first order of a store takes longer. */
function peerWith(stores: number): Peer {
  return {
    name: `${stores}-stores`,
    work: `one combining client over ${stores} stores`,
    levels: [{ inFlight: IN_FLIGHT }],
    missing: async () => undefined,
    async start(folder) {
      const ledger = join(folder, 'orders.db');
      const server = await ServerProcess.serve(ledger);
      const client = startClient(server.address);
      requireAnswers(await client.ask({ inFlight: IN_FLIGHT, orders: stores, stores }), stores);
      const check = async () => densityOf(ledger);
      return loadedByClient(server, client, check, stores);
    },
  };
}
