import { toNumber } from '../calls/messages.js';

/** Elements of the page. All that comes from the ledger is set as text and can never become markup. */

/** @typedef {Node | string | undefined} Child undefined for nothing */

/**
 * Creates an element. Attributes with `undefined` are left out; those that are functions listen to an event.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string | ((event: Event) => void) | undefined>>} attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') created.addEventListener(name, value);
    else if (value !== undefined) created.setAttribute(name, value);
  }
  created.append(...children.filter((child) => child !== undefined));
  return created;
}

/**
 * An element of the page's HTML.
 *
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} with the id ${id}`);
  return found;
}

/**
 * Sets the text of an element, without a change of the page if it has it already: screen readers read changes.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * A button that looks like a link.
 *
 * @param {string} text
 * @param {string} label what it does, for screen readers
 * @param {() => void} onClick
 */
export function linkButton(text, label, onClick) {
  return element('button', { type: 'button', class: 'link', 'aria-label': label, click: onClick }, text);
}

/**
 * What a field of a form contains, as a number of a sequence.
 *
 * @param {HTMLInputElement} input
 * @returns {bigint | undefined} undefined if it contains none
 */
export function numberIn(input) {
  return toNumber(input.value.trim());
}
