import { CallError } from '../calls/call-error.js';
import { toNumber } from '../calls/messages.js';
import { displayNumber, numberShownAs, pattern } from './display-number.js';

/**
 * @typedef {import('../calls/orders-api.js').OrdersApi} OrdersApi
 * @typedef {import('../calls/orders-api.js').AllocationKey} AllocationKey
 * @typedef {import('../calls/messages.js').Allocation} Allocation
 */

/**
 * @typedef {object} Hit
 * @property {Allocation} allocation
 * @property {string[]} foundAs which of its fields are the text that was looked for
 */

/**
 * @typedef {object} Found
 * @property {Hit[]} hits
 * @property {string[]} notes what was not found, and why
 */

/** What a request_id is made of. */
const REQUEST_ID = /^[!-~]{1,128}$/;

/**
 * Looks a text up as everything that it can be. In a store that is its order number, its display number or its request
 * ID; without one it is an order ID, because the others mean nothing without their store.
 *
 * @param {OrdersApi} api
 * @param {string} text
 * @param {bigint | undefined} storeId
 * @returns {Promise<Found>}
 * @throws {CallError} if a lookup fails otherwise than by not finding anything
 */
export async function search(api, text, storeId) {
  return storeId === undefined ? searchLedger(api, text) : searchStore(api, text, storeId);
}

/**
 * @param {OrdersApi} api
 * @param {string} text
 * @returns {Promise<Found>}
 */
async function searchLedger(api, text) {
  const orderId = toNumber(text);
  if (orderId === undefined)
    return { hits: [], notes: [`Pick a store to look up “${text}” as a display number or a request ID.`] };
  const allocation = await found(api.getAllocation({ orderId }));
  const hint = `Pick a store for an order number: without one, ${text} is looked up as an order ID.`;
  if (!allocation) return { hits: [], notes: [`No order has the order ID ${text}.`, hint] };
  return { hits: [{ allocation, foundAs: ['order ID'] }], notes: [hint] };
}

/**
 * @param {OrdersApi} api
 * @param {string} text
 * @param {bigint} storeId
 * @returns {Promise<Found>}
 */
async function searchStore(api, text, storeId) {
  const orderNumber = toNumber(text);
  const [byNumber, byDisplayNumber, byRequestId] = await Promise.all([
    orderNumber === undefined ? undefined : found(api.getAllocation({ orderNumber: { storeId, orderNumber } })),
    searchDisplayNumber(api, text, storeId),
    REQUEST_ID.test(text) ? found(api.getAllocation({ requestId: { storeId, requestId: text } })) : undefined,
  ]);
  /** @type {Map<bigint, Hit>} */
  const hits = new Map();
  /**
   * @param {Allocation | undefined} allocation
   * @param {string} as
   */
  const add = (allocation, as) => {
    if (!allocation) return;
    const hit = hits.get(allocation.orderId) ?? { allocation, foundAs: [] };
    hit.foundAs.push(as);
    hits.set(allocation.orderId, hit);
  };
  add(byNumber, 'order number');
  add(byDisplayNumber.allocation, 'display number');
  add(byRequestId, 'request ID');
  if (hits.size > 0) return { hits: [...hits.values()], notes: [] };
  return { hits: [], notes: [`Store ${storeId} has no “${text}”.`, byDisplayNumber.note] };
}

/**
 * The row that is found must have this display number: the store may have had another format at its time.
 *
 * @param {OrdersApi} api
 * @param {string} text
 * @param {bigint} storeId
 * @returns {Promise<{ allocation: Allocation | undefined, note: string }>}
 */
async function searchDisplayNumber(api, text, storeId) {
  const store = await found(api.getStore(storeId));
  if (!store) return { allocation: undefined, note: `Store ${storeId} does not exist.` };
  const note = `As a display number it was not found under today’s format, ${pattern(store)}.`;
  const orderNumber = numberShownAs(store, text);
  if (orderNumber === undefined) return { allocation: undefined, note };
  const allocation = await found(api.getAllocation({ orderNumber: { storeId, orderNumber } }));
  const isMatch = allocation !== undefined && displayNumber(allocation, orderNumber) === text;
  return { allocation: isMatch ? allocation : undefined, note };
}

/**
 * @template T
 * @param {Promise<T>} lookup
 * @returns {Promise<T | undefined>} undefined if there is none
 */
async function found(lookup) {
  try {
    return await lookup;
  } catch (error) {
    if (error instanceof CallError && error.code === 'not_found') return undefined;
    throw error;
  }
}
