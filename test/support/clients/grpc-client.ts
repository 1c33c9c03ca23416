import type { ClientReadableStream } from '@grpc/grpc-js';
import { credentials, Metadata } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type {
  AllocateOrdersRequest,
  Allocation,
  BatchAllocateOrdersResult,
  ListAllocationsRequest,
  Store,
  UpdateStoreRequest,
  VerifyLedgerResponse,
  WatchAllocationsRequest,
  WatchAllocationsResponse,
} from '../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceClient, Store as StoreMessage } from '../../../src/wire/gen/orders/v1/orders.ts';

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: Error | null, response: Response) => void,
) => unknown;

/** No test waits longer for one answer. */
const DEADLINE_MS = 50_000;

/** Every method of the service as a promise or a stream, on a connection of its own; closed with the test. */
export class GrpcClient {
  readonly stub: OrderNumberServiceClient;
  readonly #metadata = new Metadata();

  /** Each call sends the token, if there is one. */
  constructor(address: string, token?: string) {
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`);
    this.stub = new OrderNumberServiceClient(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
    onTestFinished(() => this.stub.close());
  }

  async allocate(storeId: bigint, count = 1, requestId = ''): Promise<{ allocation: Allocation; replayed: boolean }> {
    const { allocation, replayed } = await this.call(this.stub.allocateOrders, { storeId, count, requestId });
    return { allocation: allocation!, replayed };
  }

  /** One result per request, in their order. */
  async batch(...requests: Partial<AllocateOrdersRequest>[]): Promise<BatchAllocateOrdersResult['result'][]> {
    const whole = requests.map(({ storeId = 7n, count = 1, requestId = '' }) => ({ storeId, count, requestId }));
    const { results } = await this.call(this.stub.batchAllocateOrders, { requests: whole });
    return results.map(({ result }) => result);
  }

  async createStore(store: Partial<Store>): Promise<Store> {
    return (await this.call(this.stub.createStore, { store: StoreMessage.fromPartial(store) })).store!;
  }

  async updateStore(store: Partial<Store>, ...paths: string[]): Promise<Store> {
    const request: UpdateStoreRequest = { store: StoreMessage.fromPartial(store), updateMask: paths };
    return (await this.call(this.stub.updateStore, request)).store!;
  }

  async listAllocations(request: Partial<ListAllocationsRequest> = {}) {
    return this.call(this.stub.listAllocations, {
      storeId: undefined,
      newestFirst: false,
      pageSize: 0,
      pageToken: '',
      ...request,
    });
  }

  watch(request: Partial<WatchAllocationsRequest>): ClientReadableStream<WatchAllocationsResponse> {
    const whole = { afterOrderId: undefined, storeId: undefined, ...request };
    const stream = this.stub.watchAllocations(whole, this.#metadata);
    // A reader gets errors; after it stopped reading they do not matter.
    stream.on('error', () => {});
    onTestFinished(() => stream.cancel());
    return stream;
  }

  async verify(storeId?: bigint): Promise<VerifyLedgerResponse['event'][]> {
    const events: VerifyLedgerResponse['event'][] = [];
    const stream = this.stub.verifyLedger({ storeId }, this.#metadata) as AsyncIterable<VerifyLedgerResponse>;
    for await (const { event } of stream) events.push(event);
    return events;
  }

  call<Request, Response>(method: Unary<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      method.call(this.stub, request, this.#metadata, { deadline: Date.now() + DEADLINE_MS }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }
}
