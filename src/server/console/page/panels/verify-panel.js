import { toCallError } from '../calls/call-error.js';
import { byId, element, numberIn, setText } from '../view/elements.js';
import { counted, grouped } from '../view/figures.js';

/** A ledger can be so broken that its findings would fill the memory of a page. */
const MAX_FINDINGS = 200;

/** The verification of the ledger or of one store, with its progress and its verdict. */
export class VerifyPanel {
  #store = byId('verify-store', HTMLInputElement);
  #start = byId('verify-start', HTMLButtonElement);
  #stop = byId('verify-stop', HTMLButtonElement);
  #running = byId('verify-running', HTMLElement);
  #progress = byId('verify-progress', HTMLProgressElement);
  #read = byId('verify-read', HTMLElement);
  #verdict = byId('verify-verdict', HTMLElement);
  #findings = byId('verify-findings', HTMLElement);
  #stopped = new AbortController();

  /**
   * @param {import('../calls/orders-api.js').OrdersApi} api
   * @param {object} actions
   * @param {(isRunning: boolean) => void} actions.onRunning
   * @param {(error: import('../calls/call-error.js').CallError) => void} actions.onFailure
   */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    byId('verify-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#verify();
    });
    this.#stop.addEventListener('click', () => this.stop());
  }

  /** Ends a verification that runs; the server stops reading. */
  stop() {
    this.#stopped.abort();
  }

  /** Forgets the last verdict. */
  clear() {
    this.stop();
    this.#tell('', '');
    this.#findings.replaceChildren();
  }

  async #verify() {
    const storeId = numberIn(this.#store);
    const { signal } = (this.#stopped = new AbortController());
    const started = performance.now();
    this.#findings.replaceChildren();
    this.#tell('', 'Verifying…');
    this.#show(true);
    try {
      for await (const step of this.api.verifyLedger({ storeId }, signal)) this.#take(step, started);
    } catch (error) {
      if (signal.aborted) this.#tell('', 'Stopped: there is no verdict.');
      else this.#fail(toCallError(error));
    } finally {
      this.#show(false);
    }
  }

  /** @param {boolean} isRunning */
  #show(isRunning) {
    const hadFocus = document.activeElement === (isRunning ? this.#start : this.#stop);
    this.#start.hidden = isRunning;
    this.#stop.hidden = !isRunning;
    this.#running.hidden = !isRunning;
    this.#progress.removeAttribute('value');
    setText(this.#read, '');
    if (hadFocus) (isRunning ? this.#stop : this.#start).focus();
    this.actions.onRunning(isRunning);
  }

  /** @param {import('../calls/call-error.js').CallError} error */
  #fail(error) {
    this.actions.onFailure(error);
    this.#tell('bad', `There is no verdict: ${error.message}`);
  }

  /**
   * @param {import('../calls/server-messages.js').VerifyStep} step
   * @param {number} started
   */
  #take(step, started) {
    if (step.kind === 'progress') {
      const { orderId, endOrderId, rowsRead } = step;
      this.#progress.value = endOrderId === 0n ? 0 : Number((orderId * 1000n) / endOrderId);
      setText(this.#read, `${counted(rowsRead, 'row')} read, at order ID ${orderId} of ${endOrderId}`);
    } else if (step.kind === 'finding') this.#list(element('li', {}, step.message));
    else if (step.kind === 'declaredLoss') this.#list(element('li', { class: 'declared' }, step.message));
    else if (step.kind === 'verdict') this.#conclude(step, (performance.now() - started) / 1000);
  }

  /** @param {HTMLLIElement} item */
  #list(item) {
    if (this.#findings.childElementCount < MAX_FINDINGS) this.#findings.append(item);
  }

  /**
   * @param {import('../calls/server-messages.js').VerifyStep & { kind: 'verdict' }} verdict
   * @param {number} seconds
   */
  #conclude({ ok, rows, sequences, findings, asOfOrderId }, seconds) {
    // A store without orders and a store that does not exist are the same here.
    if (sequences === 0n) return this.#tell('', 'Nothing to verify: there is no order of this store.');
    const read = `${counted(rows, 'row')} and ${counted(sequences, 'sequence')} read in ${seconds.toFixed(1)} s, as of order ID ${asOfOrderId}.`;
    if (ok) return this.#tell('good', `No gaps, no duplicates. ${read}`);
    const shown = findings > MAX_FINDINGS ? ` (the first ${grouped(MAX_FINDINGS)} are shown)` : '';
    this.#tell('bad', `${counted(findings, 'finding')}${shown}. ${read}`);
  }

  /**
   * @param {'' | 'good' | 'bad'} look
   * @param {string} text
   */
  #tell(look, text) {
    this.#verdict.className = `verdict ${look}`;
    setText(this.#verdict, text);
  }
}
