import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { AllocateOrderRequest, AllocateOrderResponse } from '../../src/wire/gen/orders/v1/orders.ts';
import { Allocation, OrderNumberServiceService } from '../../src/wire/gen/orders/v1/orders.ts';

/** A plain grpc-js server that echoes the request in its answer: what a call costs before any of our code runs. */
const allocateOrder: handleUnaryCall<AllocateOrderRequest, AllocateOrderResponse> = (call, callback) => {
  const { storeId, requestId } = call.request;
  callback(null, { allocation: Allocation.fromPartial({ storeId, requestId }), replayed: false });
};
const missing: handleUnaryCall<never, never> = (_, callback) => callback({ code: status.UNIMPLEMENTED });

const methods = Object.fromEntries(Object.keys(OrderNumberServiceService).map((name) => [name, missing]));
const server = new Server();
server.addService(OrderNumberServiceService, { ...methods, allocateOrder } as UntypedServiceImplementation);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ msg: 'serving', grpc: `127.0.0.1:${port}` }));
});
process.on('SIGTERM', () => process.exit(0));
