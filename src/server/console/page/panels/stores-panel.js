import { toCallError } from '../calls/call-error.js';
import { countOf, toNumber } from '../calls/messages.js';
import { pause } from '../calls/retrying.js';
import { displayNumber } from '../lookup/display-number.js';
import { byId, element, linkButton, setText } from '../view/elements.js';
import { counted, grouped } from '../view/figures.js';
import { StoreList } from './store-list.js';

/** @typedef {import('../calls/messages.js').Store} Store */

const ROWS = 12;
/** As many stores as a page can hold without slowing down; the others are found by their ID. */
const MAX_STORES = 50_000;
/** How often the visible rows are read again. */
const REFRESH_MS = 5_000;

/** @type {readonly { title: string, key: import('./store-list.js').SortKey, isNumber: boolean }[]} */
const COLUMNS = [
  { title: 'Store', key: 'storeId', isNumber: false },
  { title: 'Next number', key: 'nextNumber', isNumber: false },
  { title: 'Given', key: 'count', isNumber: true },
];

/** All stores in one table: searched, sorted, page by page. */
export class StoresPanel {
  #list = new StoreList(ROWS);
  #head = byId('stores-table', HTMLTableElement).tHead;
  #body = byId('stores-table', HTMLTableElement).tBodies[0];
  #count = byId('stores-count', HTMLElement);
  #note = byId('stores-note', HTMLElement);
  #pages = byId('stores-pages', HTMLElement);
  #previous = byId('stores-previous', HTMLButtonElement);
  #next = byId('stores-next', HTMLButtonElement);
  #filter = byId('stores-filter', HTMLInputElement);
  /** @type {AbortController | undefined} */
  #reading;
  #isListed = false;

  /**
   * @param {import('../calls/orders-api.js').OrdersApi} api
   * @param {object} actions
   * @param {(store: Store) => void} actions.edit
   * @param {(storeId: bigint) => void} actions.find
   * @param {(error: import('../calls/call-error.js').CallError) => void} actions.onFailure
   */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    byId('stores-refresh', HTMLButtonElement).addEventListener('click', () => void this.load());
    byId('stores-form', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
    this.#filter.addEventListener('input', () => void this.#search());
    this.#previous.addEventListener('click', () => this.#turn(-1));
    this.#next.addEventListener('click', () => this.#turn(1));
    this.#draw();
  }

  /** Reads all stores, page by page; what is known is shown meanwhile. */
  async load() {
    this.#reading?.abort();
    const { signal } = (this.#reading = new AbortController());
    this.#list.clear();
    this.#tell('');
    this.#isListed = false;
    try {
      let pageToken = '';
      do {
        const page = await this.api.listStores(pageToken, signal);
        this.#list.put(page.stores);
        pageToken = page.nextPageToken;
        this.#draw();
        setText(this.#count, `${grouped(this.#list.size)} read…`);
      } while (pageToken !== '' && this.#list.size < MAX_STORES);
      this.#isListed = true;
      setText(this.#count, counted(this.#list.size, 'store'));
      if (pageToken !== '') this.#tell(`These are the first ${grouped(MAX_STORES)}; any other is found by its ID.`);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(toCallError(error));
    }
    this.#draw();
    await this.#refresh(signal);
  }

  /**
   * Shows a store as it is now.
   *
   * @param {Store} store
   */
  put(store) {
    this.#list.put([store]);
    this.#draw();
  }

  stop() {
    this.#reading?.abort();
  }

  /** @param {import('../calls/call-error.js').CallError} error */
  #fail(error) {
    setText(this.#count, '');
    this.actions.onFailure(error);
    if (error.code !== 'permission_denied') return this.#tell(error.message);
    this.#tell(
      `There is no list: it needs a token for all stores with the verb read. Search for the ID of a store that this ` +
        `token may see. The server says: ${error.message}`,
    );
  }

  /**
   * Reads the visible rows again from time to time.
   *
   * @param {AbortSignal} signal
   */
  async #refresh(signal) {
    for (;;) {
      await pause(REFRESH_MS, signal);
      if (signal.aborted) return;
      if (document.hidden) continue;
      const { rows } = this.#list.shown();
      const read = await Promise.allSettled(rows.map(({ storeId }) => this.api.getStore(storeId, signal)));
      if (signal.aborted) return;
      const stores = read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      if (stores.length === 0) continue;
      this.#list.put(stores);
      this.#draw();
    }
  }

  async #search() {
    const text = this.#filter.value.trim();
    this.#list.filter = text;
    this.#list.page = 0;
    this.#draw();
    const storeId = toNumber(text);
    const isComplete = this.#isListed && this.#list.size < MAX_STORES;
    if (storeId === undefined || isComplete || this.#list.has(storeId)) return;
    try {
      this.put(await this.api.getStore(storeId, this.#reading?.signal));
    } catch (error) {
      if (this.#filter.value.trim() === text) this.#tell(toCallError(error).message);
    }
  }

  /** @param {string} note empty for none */
  #tell(note) {
    this.#note.hidden = note === '';
    setText(this.#note, note);
  }

  /** @param {number} pages */
  #turn(pages) {
    this.#list.page += pages;
    this.#draw();
  }

  #draw() {
    const { rows, start, total, isLast } = this.#list.shown();
    const focused = focusedIn(this.#body);
    this.#drawHead();
    const none = element('td', { colspan: String(COLUMNS.length + 2) }, total === 0 ? 'No store to show.' : '');
    const shown = rows.map((store) => this.#row(store));
    this.#body?.replaceChildren(...(rows.length > 0 ? shown : [element('tr', { class: 'empty' }, none)]));
    const again = this.#body?.querySelector(`[data-focus="${focused}"]`);
    if (again instanceof HTMLElement) again.focus();
    this.#pages.hidden = total <= ROWS;
    this.#previous.disabled = start === 0;
    this.#next.disabled = isLast;
    const range = `${grouped(start + 1)} to ${grouped(start + rows.length)} of ${grouped(total)}`;
    setText(byId('stores-range', HTMLElement), range);
  }

  #drawHead() {
    if (!this.#head) return;
    if (this.#head.rows.length === 0) this.#head.append(this.#headRow());
    for (const cell of this.#head.querySelectorAll('th[data-key]')) {
      const isSorted = cell.getAttribute('data-key') === this.#list.sortedBy;
      if (isSorted) cell.setAttribute('aria-sort', this.#list.isDescending ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
  }

  #headRow() {
    const cells = COLUMNS.map(({ title, key, isNumber }) => {
      const sort = () => (this.#list.sortBy(key), this.#draw());
      const button = element('button', { type: 'button', click: sort }, title);
      return element('th', { scope: 'col', 'data-key': key, class: isNumber ? 'number' : undefined }, button);
    });
    const unseen = element('span', { class: 'unseen' }, 'Actions');
    return element('tr', {}, ...cells, element('th', { scope: 'col', class: 'number' }, unseen));
  }

  /** @param {Store} store */
  #row(store) {
    const { storeId, nextNumber } = store;
    const id = String(storeId);
    const find = linkButton(id, `Find an order of store ${id}`, () => this.actions.find(storeId));
    find.setAttribute('data-focus', `find-${id}`);
    const edit = linkButton('Edit', `Edit store ${id}`, () => this.actions.edit(store));
    edit.setAttribute('data-focus', `edit-${id}`);
    const shown = displayNumber(store, nextNumber);
    return element(
      'tr',
      {},
      element('td', { class: 'tight' }, find),
      element(
        'td',
        {},
        nextNumber === 0n ? 'used up' : String(nextNumber),
        nextNumber === 0n || shown === String(nextNumber) ? undefined : element('span', { class: 'run' }, shown),
      ),
      element('td', { class: 'number' }, grouped(countOf(store))),
      element('td', { class: 'number tight' }, edit),
    );
  }
}

/**
 * What has the focus, so that a new row can have it again.
 *
 * @param {Element | undefined} body
 */
function focusedIn(body) {
  const { activeElement } = document;
  return activeElement && body?.contains(activeElement) ? activeElement.getAttribute('data-focus') : null;
}
