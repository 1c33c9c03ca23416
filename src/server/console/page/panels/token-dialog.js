import { byId, setText } from '../view/elements.js';

/** Asks for a token, and hands it over without keeping it. */
export class TokenDialog {
  #dialog = byId('token-dialog', HTMLDialogElement);
  #input = byId('token-input', HTMLInputElement);
  #button = byId('token-button', HTMLButtonElement);

  /** @param {(token: string) => void} onToken */
  constructor(onToken) {
    byId('token-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      if (token === '') return;
      this.#dialog.close();
      setText(this.#button, 'Change the token');
      onToken(token);
    });
    byId('token-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => (this.#input.value = ''));
    this.#button.addEventListener('click', () => this.ask('The token decides what this page shows and may change.'));
  }

  /** @param {string} why */
  ask(why) {
    if (this.#dialog.open) return;
    setText(byId('token-why', HTMLElement), why);
    this.#dialog.showModal();
    this.#input.focus();
  }
}
