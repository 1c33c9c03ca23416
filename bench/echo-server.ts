import type { handleUnaryCall } from '@grpc/grpc-js';
import { pino } from 'pino';
import type { AllocateOrderRequest, AllocateOrderResponse } from '../src/wire/gen/orders/v1/orders.ts';
import { Allocation } from '../src/wire/gen/orders/v1/orders.ts';
import type { GuardedMethod } from '../src/server/grpc/entrance.ts';
import { FailedAttempts } from '../src/server/security/failed-attempts.ts';
import { OPEN } from '../src/server/security/principal.ts';
import { startGrpcServer } from '../src/server/grpc/grpc-server.ts';

/** The same server and method, but the answer echoes the request: the cost of gRPC alone. */
const allocateOrder: handleUnaryCall<AllocateOrderRequest, AllocateOrderResponse> = (call, callback) => {
  const { storeId, requestId } = call.request;
  callback(null, { allocation: Allocation.fromPartial({ storeId, requestId }), replayed: false });
};

const port = Number(process.argv[2] ?? 0);
const method = { name: 'AllocateOrder', verb: 'allocate' } as const;
const orders = { allocateOrder: { method, handle: allocateOrder as GuardedMethod['handle'] } };
const door = {
  logger: pino({ level: 'silent' }),
  observer: { ended() {}, requestsEnded() {} },
  authenticator: OPEN,
  failedAttempts: new FailedAttempts(),
};
const server = await startGrpcServer({ host: '127.0.0.1', port }, orders, door);
server.setServing(true);
console.log(JSON.stringify({ msg: 'serving', grpc: `127.0.0.1:${server.address.port}` }));
process.on('SIGTERM', () => void server.close(0));
