import { toAllocation, toStore } from './messages.js';
import { toServerStep, toVerifyStep } from './server-messages.js';

/**
 * @typedef {import('./messages.js').Allocation} Allocation
 * @typedef {import('./messages.js').Store} Store
 * @typedef {import('./messages.js').Format} Format
 */

/**
 * @typedef {{ orderId: bigint } | { orderNumber: { storeId: bigint, orderNumber: bigint } } |
 *   { requestId: { storeId: bigint, requestId: string } }} AllocationKey
 */

/**
 * @typedef {object} ListOptions
 * @property {bigint | undefined} [storeId] absent for all stores
 * @property {bigint} [afterOrderId]
 * @property {bigint} [beforeOrderId]
 * @property {boolean} [newestFirst]
 * @property {number} pageSize
 */

/** The methods that the page uses, each with what it answers. */
export class OrdersApi {
  /** @param {import('./connection.js').Connection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  /**
   * @param {AllocationKey} key
   * @returns {Promise<Allocation>}
   */
  async getAllocation(key) {
    const { allocation } = /** @type {{ allocation: unknown }} */ (await this.connection.call('GetAllocation', key));
    return toAllocation(allocation);
  }

  /**
   * The first page of a list.
   *
   * @param {ListOptions} options
   * @param {AbortSignal} [signal]
   */
  async listAllocations(options, signal) {
    const response = await this.connection.call('ListAllocations', { ...options }, signal);
    return allocationsIn(response);
  }

  /**
   * @param {bigint} storeId
   * @param {AbortSignal} [signal]
   */
  async getStore(storeId, signal) {
    return storeIn(await this.connection.call('GetStore', { storeId }, signal));
  }

  /**
   * @param {string} pageToken
   * @param {AbortSignal} signal
   */
  async listStores(pageToken, signal) {
    const response = await this.connection.call('ListStores', { pageSize: 1000, pageToken }, signal);
    const { stores = [], nextPageToken = '' } = /** @type {{ stores?: unknown[], nextPageToken?: string }} */ (
      response
    );
    return { stores: stores.map(toStore), nextPageToken };
  }

  /** @param {Partial<Store>} store */
  async createStore(store) {
    return storeIn(await this.connection.call('CreateStore', { store }));
  }

  /**
   * @param {Partial<Store>} store
   * @param {readonly string[]} paths the fields to change, by their JSON names
   */
  async updateStore(store, paths) {
    return storeIn(await this.connection.call('UpdateStore', { store, updateMask: paths.join(',') }));
  }

  /**
   * @param {{ storeId?: bigint | undefined }} options
   * @param {AbortSignal} signal
   */
  async *watchAllocations(options, signal) {
    for await (const message of this.connection.stream('WatchAllocations', options, signal)) {
      const { cursor = '0' } = /** @type {{ cursor?: string }} */ (message);
      yield { allocations: allocationsIn(message), cursor: BigInt(cursor) };
    }
  }

  /** @param {AbortSignal} signal */
  async *watchServer(signal) {
    for await (const message of this.connection.stream('WatchServer', {}, signal)) yield toServerStep(message);
  }

  /**
   * @param {{ storeId?: bigint | undefined }} options
   * @param {AbortSignal} signal
   */
  async *verifyLedger(options, signal) {
    for await (const message of this.connection.stream('VerifyLedger', options, signal)) yield toVerifyStep(message);
  }
}

/** @param {unknown} response */
function allocationsIn(response) {
  const { allocations = [] } = /** @type {{ allocations?: unknown[] }} */ (response);
  return allocations.map(toAllocation);
}

/** @param {unknown} response */
function storeIn(response) {
  return toStore(/** @type {{ store: unknown }} */ (response).store);
}
