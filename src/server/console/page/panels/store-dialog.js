import { toCallError } from '../calls/call-error.js';
import { countOf } from '../calls/messages.js';
import { displayNumber } from '../lookup/display-number.js';
import { byId, numberIn, setText } from '../view/elements.js';

/** @typedef {import('../calls/messages.js').Store} Store */

const DEFAULT_FIRST_NUMBER = 100n;
/** Printable ASCII, which is all that a prefix or suffix may have. */
const PRINTABLE = /^[ -~]*$/;

/** The form that creates or edits a store, with a preview of its next display number. */
export class StoreDialog {
  #dialog = byId('store-dialog', HTMLDialogElement);
  #id = byId('store-id', HTMLInputElement);
  #first = byId('store-first', HTMLInputElement);
  #firstHint = byId('store-first-hint', HTMLElement);
  #prefix = byId('store-prefix', HTMLInputElement);
  #digits = byId('store-digits', HTMLInputElement);
  #suffix = byId('store-suffix', HTMLInputElement);
  #preview = byId('store-preview', HTMLOutputElement);
  #error = byId('store-error', HTMLElement);
  #save = byId('store-save', HTMLButtonElement);
  /** @type {Store | undefined} the store that is edited; undefined while one is created */
  #store;

  /**
   * @param {import('../calls/orders-api.js').OrdersApi} api
   * @param {(store: Store) => void} onSaved
   */
  constructor(api, onSaved) {
    this.api = api;
    this.onSaved = onSaved;
    byId('store-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    const form = byId('store-form', HTMLFormElement);
    form.addEventListener('input', () => this.#draw());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  /** @param {Store} [store] absent to create one */
  open(store) {
    this.#store = store;
    const isFixed = store !== undefined && countOf(store) > 0n;
    setText(byId('store-dialog-title', HTMLElement), store ? `Store ${store.storeId}` : 'New store');
    setText(this.#save, store ? 'Save' : 'Create');
    setText(
      this.#firstHint,
      isFixed ? 'Fixed since the first order.' : 'Fixed from the first order on. Without a value it is 100.',
    );
    this.#id.value = String(store?.storeId ?? '');
    this.#id.disabled = store !== undefined;
    this.#first.value = String(store?.firstNumber ?? '');
    this.#first.disabled = isFixed;
    this.#prefix.value = store?.prefix ?? '';
    this.#digits.value = String(store?.minDigits ?? 0);
    this.#suffix.value = store?.suffix ?? '';
    this.#tell('');
    this.#draw();
    this.#dialog.showModal();
    (store ? this.#prefix : this.#id).focus();
  }

  /** The store that the form describes. */
  #described() {
    return {
      storeId: numberIn(this.#id) ?? 0n,
      firstNumber: numberIn(this.#first) ?? DEFAULT_FIRST_NUMBER,
      prefix: this.#prefix.value,
      minDigits: this.#digits.valueAsNumber || 0,
      suffix: this.#suffix.value,
    };
  }

  #draw() {
    const described = this.#described();
    const isFixed = this.#first.disabled && this.#store !== undefined;
    const next = isFixed ? (this.#store?.nextNumber ?? 0n) : described.firstNumber;
    const isPrintable = PRINTABLE.test(described.prefix) && PRINTABLE.test(described.suffix);
    this.#tell(isPrintable ? '' : 'Prefix and suffix may have printable ASCII characters only.');
    const minDigits = Math.min(Math.max(described.minDigits, 0), 19);
    setText(
      this.#preview,
      next === 0n ? 'none: the sequence is used up' : displayNumber({ ...described, minDigits }, next),
    );
  }

  async #submit() {
    this.#save.disabled = true;
    try {
      const store = await this.#write();
      this.#dialog.close();
      if (store) this.onSaved(store);
    } catch (error) {
      this.#tell(toCallError(error).message);
    } finally {
      this.#save.disabled = false;
    }
  }

  /** @returns {Promise<Store | undefined>} undefined if nothing is to be changed */
  async #write() {
    const described = this.#described();
    const before = this.#store;
    if (!before) return this.api.createStore(described);
    const fields = /** @type {const} */ (['firstNumber', 'prefix', 'suffix', 'minDigits']);
    const changed = fields.filter((field) => described[field] !== before[field]);
    if (changed.length === 0) return undefined;
    return this.api.updateStore(described, changed);
  }

  /** @param {string} error */
  #tell(error) {
    setText(this.#error, error);
  }
}
