import { pause, keepRunning } from '../calls/retrying.js';
import { Chart } from '../view/chart.js';
import { byId, setText } from '../view/elements.js';
import { grouped, rounded } from '../view/figures.js';
import { clocks } from '../view/times.js';

/** The server tells its figures once per second; silence for this long means that the connection is lost. */
const SILENCE_MS = 6_000;
/** How often to poll the state while no stream reports it. */
const POLL_MS = 5_000;

/** Whether the server serves, and its figures. */
export class StatusPanel {
  #state = byId('state', HTMLElement);
  #asOf = byId('as-of', HTMLElement);
  #note = byId('figures-note', HTMLElement);
  #lastOrderId = byId('last-order-id', HTMLElement);
  #growth = byId('last-order-growth', HTMLElement);
  #others = byId('other-answers', HTMLElement);
  #about = byId('about-server', HTMLElement);
  /** @type {bigint | undefined} the last order ID when the page was opened */
  #before;
  #rate = new Chart({ title: 'Allocations per second', names: [''], format: rounded });
  #latency = new Chart({ title: 'Milliseconds per call', names: ['p50', 'p99'], format: rounded });
  #queue = new Chart({ title: 'Waiting in the queue', names: [''], format: grouped });
  #batch = new Chart({ title: 'Requests per batch', names: [''], format: rounded });

  /**
   * @param {import('../calls/orders-api.js').OrdersApi} api
   * @param {object} actions
   * @param {() => void} actions.onServingAgain
   * @param {(error: import('../calls/call-error.js').CallError) => void} actions.onFailure
   */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    byId('figures', HTMLElement).append(
      ...[this.#rate, this.#latency, this.#queue, this.#batch].map(({ root }) => root),
    );
  }

  /**
   * Shows the server until the signal aborts.
   *
   * @param {AbortSignal} signal
   */
  async run(signal) {
    this.#note.hidden = true;
    await keepRunning(
      () => this.#watch(signal),
      signal,
      (error) => {
        this.actions.onFailure(error);
        this.#note.hidden = error.code === 'unavailable';
        setText(this.#note, whyEmpty(error));
        void this.#probe();
      },
    );
    // Without the right to the figures, the state is what anyone can ask for.
    while (!signal.aborted) {
      await this.#probe();
      await pause(POLL_MS, signal);
    }
  }

  /** @param {AbortSignal} signal */
  async #watch(signal) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      for await (const step of this.api.watchServer(AbortSignal.any([signal, silence.signal]))) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        this.#show(step);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {import('../calls/server-messages.js').ServerStep} step */
  #show({ isServing, reason, lastOrderId, waiting, activity, about }) {
    this.#note.hidden = true;
    this.#tell(isServing, reason);
    setText(this.#lastOrderId, String(lastOrderId));
    this.#before ??= lastOrderId;
    setText(this.#growth, `+${grouped(lastOrderId - this.#before)} since opened`);
    setText(this.#about, about);
    this.#queue.push([waiting]);
    if (!activity) return;
    this.#rate.push([activity.allocationsPerSecond ?? 0]);
    this.#latency.push([activity.callP50Ms, activity.callP99Ms]);
    this.#batch.push([activity.batchSize]);
    const { replaysPerSecond = 0, refusalsPerSecond = 0 } = activity;
    setText(this.#others, `Replayed ${rounded(replaysPerSecond)}/s, refused ${rounded(refusalsPerSecond)}/s`);
  }

  /**
   * @param {boolean} isServing
   * @param {string} reason
   */
  #tell(isServing, reason) {
    if (isServing && this.#state.classList.contains('bad')) this.actions.onServingAgain();
    this.#state.className = `state ${isServing ? 'good' : 'bad'}`;
    setText(this.#state, isServing ? 'Serving' : `Not serving: ${reason === '' ? 'no reason given' : reason}`);
    setText(this.#asOf, `as of ${clocks(new Date())}`);
  }

  /** Asks for the state, which the server tells everyone. */
  async #probe() {
    try {
      const response = await fetch('/readyz', { cache: 'no-store' });
      const { reason = '' } = response.ok ? {} : await response.json();
      this.#tell(response.ok, String(reason));
    } catch {
      this.#tell(false, 'the server does not answer');
    }
  }
}

/** @param {import('../calls/call-error.js').CallError} error */
function whyEmpty({ code, message }) {
  if (code === 'permission_denied')
    return `The figures are empty: they need a token for all stores with the verb read. The server says: ${message}`;
  return `The figures are empty: ${message}`;
}
