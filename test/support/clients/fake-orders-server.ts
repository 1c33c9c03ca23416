import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { ErrorInfo } from '../../../src/wire/gen/google/rpc/error_details.ts';
import { Status } from '../../../src/wire/gen/google/rpc/status.ts';
import type {
  AllocateOrderRequest,
  AllocateOrderResponse,
  AllocateOrdersRequest,
  AllocateOrdersResponse,
  BatchAllocateOrdersRequest,
  BatchAllocateOrdersResponse,
  Allocation,
  CreateStoreRequest,
  CreateStoreResponse,
  GetAllocationRequest,
  GetAllocationResponse,
  GetStoreRequest,
  GetStoreResponse,
  ListAllocationsRequest,
  ListAllocationsResponse,
  ListStoresRequest,
  ListStoresResponse,
  Store,
  UpdateStoreRequest,
  UpdateStoreResponse,
  VerifyLedgerRequest,
  VerifyLedgerResponse,
  WatchAllocationsRequest,
  WatchAllocationsResponse,
  WatchServerRequest,
  WatchServerResponse,
} from '../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService } from '../../../src/wire/gen/orders/v1/orders.ts';

type Unary<Request, Response> = (request: Request, metadata: Metadata) => Response | Promise<Response>;
type Streaming<Request, Response> = (request: Request, signal: AbortSignal) => AsyncIterable<Response>;

/** What a fake server answers. A thrown {@link fakeStatus} is the call's status; what is not here is UNIMPLEMENTED. */
export interface FakeAnswers {
  readonly allocateOrder?: Unary<AllocateOrderRequest, AllocateOrderResponse>;
  readonly allocateOrders?: Unary<AllocateOrdersRequest, AllocateOrdersResponse>;
  readonly batchAllocateOrders?: Unary<BatchAllocateOrdersRequest, BatchAllocateOrdersResponse>;
  readonly getAllocation?: Unary<GetAllocationRequest, GetAllocationResponse>;
  readonly listAllocations?: Unary<ListAllocationsRequest, ListAllocationsResponse>;
  readonly watchAllocations?: Streaming<WatchAllocationsRequest, WatchAllocationsResponse>;
  readonly createStore?: Unary<CreateStoreRequest, CreateStoreResponse>;
  readonly getStore?: Unary<GetStoreRequest, GetStoreResponse>;
  readonly listStores?: Unary<ListStoresRequest, ListStoresResponse>;
  readonly updateStore?: Unary<UpdateStoreRequest, UpdateStoreResponse>;
  readonly verifyLedger?: Streaming<VerifyLedgerRequest, VerifyLedgerResponse>;
  readonly watchServer?: Streaming<WatchServerRequest, WatchServerResponse>;
}

const STREAMS: ReadonlySet<string> = new Set(['watchAllocations', 'verifyLedger', 'watchServer']);

/** Serves canned answers on a free port of the loopback until the test ends. Resolves to the address. */
export async function fakeOrdersServer(
  answers: FakeAnswers,
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<string> {
  const server = new Server();
  const handlers = Object.entries(answers).map(([name, answer]) => [
    name,
    STREAMS.has(name) ? streaming(answer) : unary(answer),
  ]);
  server.addService(OrderNumberServiceService, Object.fromEntries(handlers));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  onTestFinished(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

/** The status of a call, with ErrorInfo of our domain unless the reason is empty: then it is a bare one. */
export function fakeStatus(code: status, message: string, reason = '', fields: Record<string, string> = {}) {
  const metadata = new Metadata();
  if (reason !== '') {
    const value = ErrorInfo.encode({ reason, domain: 'orders.v1', metadata: fields }).finish();
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value }];
    metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message, details }).finish()));
  }
  return Object.assign(new Error(message), { code, details: message, metadata });
}

/** One allocation with values of its own in every field. */
export function fakeAllocation(changes: Partial<Allocation> = {}): Allocation {
  return {
    orderId: 9007199254740993n,
    storeId: 32913n,
    orderNumber: 100n,
    count: 1,
    displayNumber: 'A-000100/26',
    prefix: 'A-',
    suffix: '/26',
    minDigits: 6,
    requestId: 'cart-1',
    createTime: { seconds: 1795486198n, nanos: 201_000_000 },
    caller: 'checkout-eu',
    ...changes,
  };
}

/** The createTime of {@link fakeAllocation} and {@link fakeStore}. */
export const FAKE_TIME = new Date(1795486198201);

/** One store with values of its own in every field. */
export function fakeStore(changes: Partial<Store> = {}): Store {
  return {
    storeId: 32913n,
    firstNumber: 100n,
    nextNumber: 9007199254740993n,
    prefix: 'A-',
    suffix: '',
    minDigits: 6,
    createTime: { seconds: 1795486198n, nanos: 201_000_000 },
    ...changes,
  };
}

function unary(answer: Unary<never, unknown>) {
  return (call: ServerUnaryCall<never, unknown>, callback: sendUnaryData<unknown>) => {
    (async () => answer(call.request, call.metadata))().then(
      (response) => callback(null, response),
      (error: Error) => callback(error),
    );
  };
}

function streaming(answer: Streaming<never, unknown>) {
  return (call: ServerWritableStream<never, unknown>) => {
    const controller = new AbortController();
    call.on('cancelled', () => controller.abort());
    const send = async () => {
      for await (const message of answer(call.request, controller.signal)) call.write(message);
      call.end();
    };
    send().catch((error: Error) => call.emit('error', error));
  };
}
