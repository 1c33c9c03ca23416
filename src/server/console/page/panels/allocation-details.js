import { toCallError } from '../calls/call-error.js';
import { displayNumber } from '../lookup/display-number.js';
import { element, linkButton } from '../view/elements.js';
import { fullTime, timeOfDay } from '../view/times.js';

/** @typedef {import('../calls/orders-api.js').Allocation} Allocation */

/** How many neighbors are shown on either side. */
const NEIGHBORS = 2;

/**
 * A whole allocation, with its neighbors in its store and in the ledger, which are filled in when they are read.
 *
 * @param {import('../calls/orders-api.js').OrdersApi} api
 * @param {Allocation} allocation
 * @param {(allocation: Allocation) => void} open shows another one instead
 */
export function allocationDetails(api, allocation, open) {
  const heading = element('h3', { tabindex: '-1' }, `Order ${shownNumber(allocation)} of store ${allocation.storeId}`);
  const neighbors = element('div', { class: 'neighbors' });
  const inStore = element('div', {});
  const inLedger = element('div', {});
  neighbors.append(inStore, inLedger);
  fillNeighbors(inStore, `Neighbors in store ${allocation.storeId}`, allocation.storeId);
  fillNeighbors(inLedger, 'Neighbors among all orders', undefined);
  const root = element('article', { class: 'details' }, heading, fieldsOf(allocation), neighbors);
  return { root, heading };

  /**
   * @param {HTMLElement} place
   * @param {string} title
   * @param {bigint | undefined} storeId
   */
  async function fillNeighbors(place, title, storeId) {
    try {
      const { orderId, count } = allocation;
      const [before, after] = await Promise.all([
        api.listAllocations({ storeId, beforeOrderId: orderId, newestFirst: true, pageSize: NEIGHBORS }),
        api.listAllocations({ storeId, afterOrderId: orderId + BigInt(count) - 1n, pageSize: NEIGHBORS }),
      ]);
      place.replaceChildren(neighborTable(title, [...before.toReversed(), allocation, ...after], allocation, open));
    } catch (error) {
      place.replaceChildren(element('p', { class: 'muted' }, `${title}: ${toCallError(error).message}`));
    }
  }
}

/**
 * An allocation's display number; of a run, that of its first and of its last number.
 *
 * @param {Allocation} allocation
 */
export function shownNumber(allocation) {
  const { count, displayNumber: first, orderNumber } = allocation;
  return count === 1 ? first : `${first} to ${displayNumber(allocation, orderNumber + BigInt(count) - 1n)}`;
}

/** @param {Allocation} allocation */
function fieldsOf(allocation) {
  const { orderId, orderNumber, count, storeId, requestId, caller, createTime } = allocation;
  const last = BigInt(count) - 1n;
  /** @param {bigint} first */
  const range = (first) => (count === 1 ? String(first) : `${first} to ${first + last}`);
  /** @type {[string, Node | string][]} */
  const rows = [
    ['Display number', element('span', { class: 'mono' }, shownNumber(allocation))],
    ['Order ID', range(orderId)],
    ['Order number', range(orderNumber)],
    ['Count', String(count)],
    ['Store', String(storeId)],
    ['Caller', caller === '' ? element('span', { class: 'muted' }, 'not recorded (open server)') : caller],
    ['Request ID', element('span', { class: 'mono' }, requestId)],
    ['Created', fullTime(createTime)],
    ['Format at the time', formatOf(allocation)],
  ];
  return element('dl', {}, ...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
}

/** @param {Allocation} allocation */
function formatOf({ prefix, suffix, minDigits }) {
  const parts = [
    prefix === '' ? 'no prefix' : `prefix ${prefix}`,
    minDigits === 0 ? 'not padded' : `at least ${minDigits} digits`,
    suffix === '' ? 'no suffix' : `suffix ${suffix}`,
  ];
  return parts.join(', ');
}

/**
 * @param {string} title
 * @param {readonly Allocation[]} rows
 * @param {Allocation} here
 * @param {(allocation: Allocation) => void} open
 */
function neighborTable(title, rows, here, open) {
  const names = ['Order ID', 'Store', 'Number', 'Time'];
  const head = element('tr', {}, ...names.map((name) => element('th', { scope: 'col' }, name)));
  const body = rows.map((row) => {
    const isHere = row.orderId === here.orderId;
    const id = String(row.orderId);
    return element(
      'tr',
      isHere ? { class: 'here', 'aria-current': 'true' } : {},
      element(
        'td',
        { class: 'tight' },
        isHere ? id : linkButton(id, `Open the order with the ID ${id}`, () => open(row)),
      ),
      element('td', { class: 'tight' }, String(row.storeId)),
      element('td', {}, shownNumber(row)),
      element('td', { class: 'tight' }, timeOfDay(row.createTime)),
    );
  });
  const caption = element('caption', {}, title);
  return element('table', {}, caption, element('thead', {}, head), element('tbody', {}, ...body));
}
