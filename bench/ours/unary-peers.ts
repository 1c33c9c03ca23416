import { join } from 'node:path';
import {
  AllocateOrderRequest,
  AllocateOrdersRequest,
  BatchAllocateOrdersRequest,
} from '../../src/wire/gen/orders/v1/orders.ts';
import type { UnaryLoad } from '../generators/h2load.ts';
import { missingH2load, runClosedLoop } from '../generators/h2load.ts';
import { densityOf } from '../ledgers/density.ts';
import type { Peer, RunningPeer } from '../peer.ts';
import { startCounting } from '../processes/processor-time.ts';
import { ServerProcess } from '../processes/server-process.ts';
import { countingAnswers } from './counting-answers.ts';

/** Numbers in one call of AllocateOrders, at most. */
const MAX_COUNT = 1000;
const LEVELS = [{ inFlight: 1 }, { inFlight: 64 }, { inFlight: 400 }];
const LEDGER = 'orders.db';

/** AllocateOrder: each generator has a store of its own, and the server creates the request_ids. */
export const ONE_ORDER: Pick<UnaryLoad, 'method' | 'message'> = {
  method: 'AllocateOrder',
  message: (generator) => AllocateOrderRequest.encode(AllocateOrderRequest.fromPartial(store(generator))).finish(),
};
const MANY_ORDERS: typeof ONE_ORDER = {
  method: 'AllocateOrders',
  message: (generator) =>
    AllocateOrdersRequest.encode(AllocateOrdersRequest.fromPartial({ ...store(generator), count: MAX_COUNT })).finish(),
};

/** Independent orders in one call of BatchAllocateOrders. */
export const ORDERS_PER_BATCH = 1000;
/** BatchAllocateOrders: each order has a store of its own. */
export const BATCH: typeof ONE_ORDER = {
  method: 'BatchAllocateOrders',
  message(generator) {
    const requests = Array.from({ length: ORDERS_PER_BATCH }, (_, i) => ({
      ...store(generator * ORDERS_PER_BATCH + i),
      count: 1,
    }));
    return BatchAllocateOrdersRequest.encode(BatchAllocateOrdersRequest.fromPartial({ requests })).finish();
  },
};

export const ECHO: Peer = {
  name: 'echo',
  work: 'a plain server of @grpc/grpc-js answers with the request: the ceiling of a call',
  levels: LEVELS,
  missing: missingH2load,
  start: async (folder) =>
    countingAnswers(unary(await ServerProcess.start('bench/programs/raw-echo.ts'), folder, ONE_ORDER)),
};

export const ALLOCATE = unaryPeer('allocate-order', 'one call per order on our server', LEVELS, ONE_ORDER);
export const ONE_PER_CALL = unaryPeer(
  'one-per-call',
  'the same with --max-batch 1, so that each call has a transaction and an fsync of its own',
  LEVELS,
  ONE_ORDER,
  ['--max-batch', '1'],
);
export const ALLOCATE_MANY = unaryPeer(
  'allocate-1000',
  'a call takes 1000 consecutive numbers; each counts as one here',
  [{ inFlight: 8 }, { inFlight: 64 }],
  MANY_ORDERS,
);

function unaryPeer(
  name: string,
  work: string,
  levels: Peer['levels'],
  call: typeof ONE_ORDER,
  flags: readonly string[] = [],
): Peer {
  return {
    name,
    work,
    levels,
    missing: missingH2load,
    async start(folder) {
      const ledger = join(folder, LEDGER);
      const server = await ServerProcess.serve(ledger, ...flags);
      return { ...unary(server, folder, call), check: async () => densityOf(ledger) };
    },
  };
}

function unary(server: ServerProcess, folder: string, call: typeof ONE_ORDER): Omit<RunningPeer, 'check'> {
  return {
    async load({ inFlight }, orders) {
      const spent = startCounting(server.pid);
      const { calls, ...result } = await runClosedLoop(
        { address: server.address, ...call, calls: orders, folder },
        inFlight,
      );
      return { answered: calls, ...result, ...spent(calls) };
    },
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

function store(generator: number): { storeId: bigint } {
  return { storeId: BigInt(generator + 1) };
}
