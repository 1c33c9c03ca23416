import { keepRunning, pause } from '../calls/retrying.js';
import { byId, element, linkButton, numberIn, setText } from '../view/elements.js';
import { timeOfDay } from '../view/times.js';
import { shownNumber } from './allocation-details.js';

/** @typedef {import('../calls/orders-api.js').Allocation} Allocation */

const ROWS = 50;
/** Nobody can follow more rows per second than this: the page then reads the newest once per second instead. */
const READABLE_PER_SECOND = 50;
const SAMPLE_MS = 1_000;
/** After this many quiet samples in a row, the page streams again. */
const QUIET_SAMPLES = 5;

/**
 * The latest orders, live. While they come at a pace that can be read, each is shown as it is committed; at a higher
 * pace the page reads the newest ones once per second, so that it costs a busy server no more than an idle one.
 */
export class FeedPanel {
  #body = byId('feed-table', HTMLTableElement).tBodies[0];
  #state = byId('feed-state', HTMLElement);
  #note = byId('feed-note', HTMLElement);
  #pause = byId('feed-pause', HTMLButtonElement);
  #store = byId('feed-store', HTMLInputElement);
  /** @type {Allocation[]} newest first */
  #rows = [];
  /** @type {bigint | undefined} */
  #storeId;
  #isPaused = false;
  #isHeld = false;
  #isDue = false;
  /** @type {AbortController | undefined} */
  #running;

  /**
   * @param {import('../calls/orders-api.js').OrdersApi} api
   * @param {object} actions
   * @param {(allocation: Allocation) => void} actions.open
   * @param {(error: import('../calls/call-error.js').CallError) => void} actions.onFailure
   */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    this.#pause.addEventListener('click', () => {
      this.#isPaused = !this.#isPaused;
      this.#pause.setAttribute('aria-pressed', String(this.#isPaused));
      void this.restart();
    });
    byId('feed-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#storeId = numberIn(this.#store);
      this.clear();
      void this.restart();
    });
    this.#draw();
  }

  /** Follows the orders from now on, unless it is paused or held. */
  async restart() {
    this.stop();
    if (this.#isPaused) return this.#tell('paused');
    if (this.#isHeld) return this.#tell('paused during the verification');
    const { signal } = (this.#running = new AbortController());
    this.#note.hidden = true;
    this.#tell('connecting…');
    await keepRunning(
      () => this.#follow(signal),
      signal,
      (error) => {
        this.actions.onFailure(error);
        this.#tell(error.code === 'unavailable' ? 'interrupted' : '');
        this.#note.hidden = error.code === 'unavailable';
        setText(this.#note, whyEmpty(error));
      },
    );
  }

  stop() {
    this.#running?.abort();
  }

  /** @param {boolean} isHeld whether another stream needs the connection */
  hold(isHeld) {
    this.#isHeld = isHeld;
    void this.restart();
  }

  clear() {
    this.#rows = [];
    this.#draw();
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    for (;;) {
      await this.#watch(signal);
      await this.#sample(signal);
    }
  }

  /**
   * Shows each order as it is committed. Ends when they come too fast.
   *
   * @param {AbortSignal} signal
   */
  async #watch(signal) {
    const stop = new AbortController();
    const storeId = this.#storeId;
    let isFirst = true;
    let second = performance.now();
    let inSecond = 0;
    try {
      for await (const { allocations, cursor } of this.api.watchAllocations(
        { storeId },
        AbortSignal.any([signal, stop.signal]),
      )) {
        // The first message comes at once and says where the stream begins: what is before it is read.
        if (isFirst)
          this.#replace(
            await this.api.listAllocations(
              { storeId, beforeOrderId: cursor + 1n, newestFirst: true, pageSize: ROWS },
              signal,
            ),
          );
        if (isFirst) this.#tell('live');
        isFirst = false;
        this.#add(allocations.toReversed());
        if (performance.now() - second > SAMPLE_MS) [second, inSecond] = [performance.now(), 0];
        inSecond += allocations.length;
        if (inSecond > READABLE_PER_SECOND) return;
      }
    } finally {
      stop.abort();
    }
  }

  /**
   * Shows the newest orders once per second. Ends when there are few again.
   *
   * @param {AbortSignal} signal
   */
  async #sample(signal) {
    this.#tell('too fast to read: the newest, once per second');
    for (let quiet = 0; quiet < QUIET_SAMPLES;) {
      await pause(SAMPLE_MS, signal);
      signal.throwIfAborted();
      const newest = this.#rows[0]?.orderId ?? 0n;
      const rows = await this.api.listAllocations(
        { storeId: this.#storeId, newestFirst: true, pageSize: ROWS },
        signal,
      );
      const fresh = rows.filter(({ orderId }) => orderId > newest).length;
      quiet = fresh < READABLE_PER_SECOND / 2 ? quiet + 1 : 0;
      this.#replace(rows);
    }
  }

  /** @param {Allocation[]} rows newest first */
  #replace(rows) {
    this.#rows = rows;
    this.#draw();
  }

  /** @param {Allocation[]} rows newest first */
  #add(rows) {
    if (rows.length === 0) return;
    this.#rows = [...rows, ...this.#rows].slice(0, ROWS);
    this.#draw();
  }

  /** @param {string} state */
  #tell(state) {
    setText(this.#state, state);
  }

  /** Draws once per frame, however many messages came. */
  #draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const body = this.#body;
    if (!body) return;
    /** @type {Map<string | null, Element>} */
    const known = new Map([...body.rows].map((row) => [row.getAttribute('data-order'), row]));
    const isNew = known.size > 0 && !known.has(null);
    const rows = this.#rows.map((row) => known.get(String(row.orderId)) ?? this.#row(row, isNew));
    const none = element('tr', { class: 'empty' }, element('td', { colspan: '5' }, 'No order to show.'));
    const wanted = rows.length === 0 ? [none] : rows;
    // Rows that stay are not touched, because one may have the focus.
    const stay = new Set(wanted);
    for (const row of Array.from(body.rows).filter((one) => !stay.has(one))) row.remove();
    wanted.forEach((row, i) => {
      if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] ?? null);
    });
  }

  /**
   * @param {Allocation} allocation
   * @param {boolean} isFresh
   */
  #row(allocation, isFresh) {
    const { orderId, storeId, caller, createTime } = allocation;
    const id = String(orderId);
    return element(
      'tr',
      { 'data-order': id, class: isFresh ? 'fresh' : undefined },
      element(
        'td',
        {},
        linkButton(id, `Open the order with the ID ${id}`, () => this.actions.open(allocation)),
      ),
      element('td', { class: 'tight' }, String(storeId)),
      element('td', {}, shownNumber(allocation)),
      element('td', { class: 'wide-only' }, caller === '' ? '–' : caller),
      element('td', { class: 'tight' }, timeOfDay(createTime)),
    );
  }
}

/** @param {import('../calls/call-error.js').CallError} error */
function whyEmpty({ code, message }) {
  if (code === 'permission_denied')
    return (
      'There is no list of all orders: it needs a token for all stores with the verb read. Name a store that this ' +
      `token may see. The server says: ${message}`
    );
  return message;
}
