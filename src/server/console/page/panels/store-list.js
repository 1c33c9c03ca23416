import { countOf } from '../calls/messages.js';

/** @typedef {import('../calls/messages.js').Store} Store */
/** @typedef {'storeId' | 'nextNumber' | 'count'} SortKey */

/** The stores that the page knows: searched, sorted and cut into pages. */
export class StoreList {
  /** @type {Map<bigint, Store>} */
  #stores = new Map();
  /** @type {SortKey} */
  sortedBy = 'storeId';
  isDescending = false;
  filter = '';
  page = 0;

  /** @param {number} pageSize */
  constructor(pageSize) {
    this.pageSize = pageSize;
  }

  get size() {
    return this.#stores.size;
  }

  /** @param {bigint} storeId */
  has(storeId) {
    return this.#stores.has(storeId);
  }

  /** @param {readonly Store[]} stores added, or in the place of what was known of them */
  put(stores) {
    for (const store of stores) this.#stores.set(store.storeId, store);
  }

  clear() {
    this.#stores.clear();
    this.page = 0;
  }

  /** @param {SortKey} key the same one again turns the order around */
  sortBy(key) {
    this.isDescending = this.sortedBy === key && !this.isDescending;
    this.sortedBy = key;
    this.page = 0;
  }

  /** The current page, with where it begins and how many match in all. */
  shown() {
    const text = this.filter.toLowerCase();
    const matching = [...this.#stores.values()].filter((store) => matches(store, text));
    const sign = this.isDescending ? -1 : 1;
    matching.sort(
      (a, b) => sign * (compare(valueOf(a, this.sortedBy), valueOf(b, this.sortedBy)) || compare(a.storeId, b.storeId)),
    );
    const last = Math.max(0, Math.ceil(matching.length / this.pageSize) - 1);
    this.page = Math.min(Math.max(0, this.page), last);
    const start = this.page * this.pageSize;
    return {
      rows: matching.slice(start, start + this.pageSize),
      start,
      total: matching.length,
      isLast: this.page === last,
    };
  }
}

/**
 * @param {Store} store
 * @param {string} text in lower case
 */
function matches({ storeId, prefix, suffix }, text) {
  if (text === '') return true;
  return [String(storeId), prefix.toLowerCase(), suffix.toLowerCase()].some((field) => field.includes(text));
}

/**
 * @param {Store} store
 * @param {SortKey} key
 */
function valueOf(store, key) {
  return key === 'count' ? countOf(store) : store[key];
}

/**
 * @param {bigint} a
 * @param {bigint} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
