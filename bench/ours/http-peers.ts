import { join } from 'node:path';
import { runAutocannon } from '../generators/autocannon.ts';
import { densityOf } from '../ledgers/density.ts';
import type { Peer, RunningPeer } from '../peer.ts';
import { startCounting } from '../processes/processor-time.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { countingAnswers } from './counting-answers.ts';

/** The original sample is measured with 10. */
const LEVELS = [{ inFlight: 10 }, { inFlight: 64 }, { inFlight: 400 }];

export const HTTP: Peer = {
  name: 'http',
  work: "the original sample's request and command (autocannon) on our server",
  levels: LEVELS,
  missing: async () => undefined,
  async start(folder) {
    const ledger = join(folder, 'orders.db');
    const server = await ServerProcess.serve(ledger, '--http-listen', '127.0.0.1:0');
    return { ...http(server), check: async () => densityOf(ledger) };
  },
};

export const NO_OP_ROUTE: Peer = {
  name: 'no-op-route',
  work: 'a plain server of fastify answers the same request with a constant: the ceiling of HTTP',
  levels: LEVELS,
  missing: async () => undefined,
  start: async () => countingAnswers(http(await ServerProcess.start('bench/programs/no-op-route.ts'))),
};

function http(server: ServerProcess): Omit<RunningPeer, 'check'> {
  return {
    async load({ inFlight }, orders) {
      const spent = startCounting(server.pid);
      const { requests, ...result } = await runAutocannon(server.http!, inFlight, orders);
      return { answered: requests, ...result, ...spent(requests) };
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}
