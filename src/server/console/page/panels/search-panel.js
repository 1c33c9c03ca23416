import { toCallError } from '../calls/call-error.js';
import { search } from '../lookup/search.js';
import { byId, element, linkButton, numberIn } from '../view/elements.js';
import { allocationDetails, shownNumber } from './allocation-details.js';

/** @typedef {import('../calls/orders-api.js').Allocation} Allocation */

/** The search for one order, and the order that is open. */
export class SearchPanel {
  #text = byId('search-text', HTMLInputElement);
  #store = byId('search-store', HTMLInputElement);
  #notes = byId('search-notes', HTMLElement);
  #hits = byId('search-hits', HTMLElement);
  #details = byId('search-details', HTMLElement);
  #searches = 0;

  /** @param {import('../calls/orders-api.js').OrdersApi} api */
  constructor(api) {
    this.api = api;
    byId('search-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#search();
    });
  }

  /**
   * Shows an allocation, and moves there.
   *
   * @param {Allocation} allocation
   */
  open(allocation) {
    this.#hits.replaceChildren();
    this.#tell();
    this.#show(allocation).focus();
    byId('search', HTMLElement).scrollIntoView({ block: 'start' });
  }

  /**
   * Prepares a search in one store.
   *
   * @param {bigint} storeId
   */
  searchIn(storeId) {
    this.#store.value = String(storeId);
    this.#text.focus();
    this.#text.select();
  }

  /** Forgets what is shown, because another token may not see it. */
  clear() {
    this.#searches++;
    this.#tell();
    this.#hits.replaceChildren();
    this.#details.replaceChildren();
  }

  async #search() {
    const text = this.#text.value.trim();
    if (text === '') return;
    const storeText = this.#store.value.trim();
    const storeId = numberIn(this.#store);
    this.clear();
    if (storeText !== '' && storeId === undefined) return this.#warn(`“${storeText}” is not a store ID.`);
    const own = this.#searches;
    try {
      const { hits, notes } = await search(this.api, text, storeId);
      if (own !== this.#searches) return;
      const [first] = hits;
      if (!first) return this.#warn(...notes);
      const isOnly = hits.length === 1;
      this.#tell(isOnly ? `1 hit, found as ${first.foundAs.join(' and ')}.` : `${hits.length} hits.`, ...notes);
      if (isOnly) this.#show(first.allocation);
      else this.#list(hits);
    } catch (error) {
      if (own === this.#searches) this.#warn(toCallError(error).message);
    }
  }

  /** @param {...string} notes beside what was found */
  #tell(...notes) {
    this.#notes.replaceChildren(...notes.map((note) => element('p', { class: 'quiet' }, note)));
  }

  /** @param {...string} notes instead of what was looked for */
  #warn(...notes) {
    this.#notes.replaceChildren(...notes.map((note) => element('p', {}, note)));
  }

  /** @param {readonly import('../lookup/search.js').Hit[]} hits */
  #list(hits) {
    const head = ['Order ID', 'Found as', 'Store', 'Number', 'Request ID'];
    const rows = hits.map(({ allocation, foundAs }) => {
      const id = String(allocation.orderId);
      const show = () => void this.#show(allocation).focus();
      return element(
        'tr',
        {},
        element('td', { class: 'tight' }, linkButton(id, `Open the order with the ID ${id}`, show)),
        element('td', {}, foundAs.join(', ')),
        element('td', { class: 'tight' }, String(allocation.storeId)),
        element('td', {}, shownNumber(allocation)),
        element('td', {}, allocation.requestId),
      );
    });
    const columns = element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name)));
    const table = element('table', {}, element('thead', {}, columns), element('tbody', {}, ...rows));
    this.#hits.replaceChildren(element('div', { class: 'table-frame' }, table));
  }

  /**
   * @param {Allocation} allocation
   * @returns {HTMLElement} its heading
   */
  #show(allocation) {
    const { root, heading } = allocationDetails(this.api, allocation, (other) => this.open(other));
    this.#details.replaceChildren(root);
    return heading;
  }
}
