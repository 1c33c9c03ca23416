import { join } from 'node:path';
import { runAutocannon } from '../generators/autocannon.ts';
import { missingH2load, runHttpLoop } from '../generators/h2load.ts';
import { densityOf } from '../ledgers/density.ts';
import type { Level, LoadResult, Peer, RunningPeer } from '../peer.ts';
import { startCounting } from '../processes/processor-time.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { countingAnswers } from './counting-answers.ts';

/** 10 is the level at which the original sample is measured. */
const LEVELS = [{ inFlight: 10 }, { inFlight: 64 }, { inFlight: 400 }];
/** The levels that autocannon cannot fill, because it takes as much processor time as the server. */
const H2LOAD_LEVELS = LEVELS.slice(1);

type Load = (address: string, level: Level, orders: number, folder: string) => Promise<LoadResult>;

const autocannon: Load = async (address, { inFlight }, orders) => {
  const { requests, ...result } = await runAutocannon(address, inFlight, orders);
  return { answered: requests, ...result };
};
const h2load: Load = async (address, { inFlight }, orders, folder) => {
  const url = `http://${address}/api/generateOrderNumber`;
  const { calls, ...result } = await runHttpLoop({ url, body: bodyOf, calls: orders, folder }, inFlight);
  return { answered: calls, ...result };
};

export const HTTP = ours('http', "the original sample's request and command (autocannon) on our server", autocannon);
export const NO_OP_ROUTE = noOp(
  'no-op-route',
  'a plain server of fastify answers the same request with a constant: the ceiling of HTTP',
  autocannon,
);
export const HTTP_H2LOAD: Peer = {
  ...ours('http-h2load', 'the same as http, but requests come from h2load', h2load),
  levels: H2LOAD_LEVELS,
  missing: missingH2load,
};
export const NO_OP_H2LOAD: Peer = {
  ...noOp('no-op-h2load', 'the same as no-op-route, but requests come from h2load', h2load),
  levels: H2LOAD_LEVELS,
  missing: missingH2load,
};

function ours(name: string, work: string, load: Load): Peer {
  return {
    name,
    work,
    levels: LEVELS,
    missing: async () => undefined,
    async start(folder) {
      const ledger = join(folder, 'orders.db');
      const server = await ServerProcess.serve(ledger, '--http-listen', '127.0.0.1:0');
      return { ...http(server, load, folder), check: async () => densityOf(ledger) };
    },
  };
}

function noOp(name: string, work: string, load: Load): Peer {
  return {
    name,
    work,
    levels: LEVELS,
    missing: async () => undefined,
    async start(folder) {
      return countingAnswers(http(await ServerProcess.start('bench/programs/no-op-route.ts'), load, folder));
    },
  };
}

function http(server: ServerProcess, load: Load, folder: string): Omit<RunningPeer, 'check'> {
  return {
    async load(level, orders) {
      const spent = startCounting(server.pid);
      const result = await load(server.http!, level, orders, folder);
      return { ...result, ...spent(result.answered) };
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/** Each generator has a store of its own. */
function bodyOf(generator: number): string {
  return JSON.stringify({ store_id: generator + 1 });
}
