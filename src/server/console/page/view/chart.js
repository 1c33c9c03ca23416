import { element } from './elements.js';
import { clocks } from './times.js';

const SVG = 'http://www.w3.org/2000/svg';
/** The time spans that a chart may show, in minutes; it takes the shortest that fits its points. */
const WINDOWS = [1, 2, 5];
const MINUTE_MS = 60_000;
const LONGEST_MS = 5 * MINUTE_MS;
/** Points further apart than this are not joined: there are no values in between. */
const GAP_MS = 3_500;
const WIDTH = 300;
const HEIGHT = 56;

/** @typedef {readonly (number | undefined)[]} Values one per line; undefined for none */

/**
 * A live chart of the last five minutes: one or two lines, the newest values as text above them, and for screen readers a
 * sentence. The pointer shows the values of the past.
 */
export class Chart {
  /** @type {{ time: number, values: Values }[]} */
  #points = [];
  /** @type {number | undefined} where the pointer is, as a share of the width */
  #pointer;
  #value = element('p', { class: 'value' });
  #since = element('span', {});
  #highest = element('span', {});
  #windowMs = MINUTE_MS;
  #svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  #area = svg('path', { class: 'area' });
  #cursor = svg('line', { class: 'cursor', y1: '0', y2: String(HEIGHT) });
  #lines;

  /**
   * @param {object} options
   * @param {string} options.title
   * @param {readonly string[]} options.names of the lines; one name may be empty
   * @param {(value: number) => string} options.format
   */
  constructor({ title, names, format }) {
    this.title = title;
    this.names = names;
    this.format = format;
    this.#lines = names.map((_name, i) => svg('path', { class: i === 0 ? 'first' : 'second' }));
    const base = svg('line', { class: 'base', x1: '0', x2: String(WIDTH), y1: String(HEIGHT), y2: String(HEIGHT) });
    this.#svg.append(base, this.#area, ...this.#lines, this.#cursor);
    this.#svg.addEventListener('pointermove', (event) => this.#point(event));
    this.#svg.addEventListener('pointerleave', () => this.#point(undefined));
    const axis = element('p', { class: 'axis' }, this.#since, this.#highest);
    const caption = element('figcaption', {}, title);
    this.root = element('figure', { class: 'tile chart' }, caption, this.#value, this.#svg, axis);
    this.#draw();
  }

  /** @param {Values} values */
  push(values) {
    const now = Date.now();
    this.#points.push({ time: now, values });
    while (this.#points[0] && this.#points[0].time < now - LONGEST_MS) this.#points.shift();
    this.#draw();
  }

  /** @param {PointerEvent | undefined} event */
  #point(event) {
    const { left, width } = this.#svg.getBoundingClientRect();
    this.#pointer = event && (event.clientX - left) / width;
    this.#draw();
  }

  #draw() {
    const end = this.#points.at(-1)?.time ?? 0;
    const spanMs = end - (this.#points[0]?.time ?? 0);
    const minutes = WINDOWS.find((window) => spanMs <= window * MINUTE_MS) ?? 5;
    this.#windowMs = minutes * MINUTE_MS;
    const top = Math.max(...this.#points.flatMap(({ values }) => values.map((value) => value ?? 0)), 0);
    this.#lines.forEach((line, i) => line.setAttribute('d', this.#path(i, end, top).join('')));
    this.#area.setAttribute('d', this.#path(0, end, top).map(closed).join(''));
    this.#highest.textContent = `highest ${this.format(top)}`;
    const shown = this.#pointed(end) ?? this.#points.at(-1);
    this.#cursor.setAttribute('visibility', this.#pointer === undefined ? 'hidden' : 'visible');
    if (shown) {
      const x = String(this.#across(shown.time, end));
      this.#cursor.setAttribute('x1', x);
      this.#cursor.setAttribute('x2', x);
    }
    this.#since.textContent =
      shown && this.#pointer !== undefined ? clocks(new Date(shown.time)) : `${minutes} min ago`;
    this.#write(shown, top);
  }

  /**
   * @param {{ time: number, values: Values } | undefined} shown
   * @param {number} top
   */
  #write(shown, top) {
    const parts = this.names.map((name, i) => {
      const value = shown?.values[i];
      return { name, text: value === undefined ? '–' : this.format(value) };
    });
    this.#value.replaceChildren(
      ...parts.flatMap(({ name, text }, i) => [
        element('span', { class: i === 0 ? 'of' : 'of second' }, name),
        element('span', {}, text),
      ]),
    );
    const now = parts.map(({ name, text }) => `${name} ${text}`.trim()).join(', ');
    this.#svg.setAttribute('aria-label', `${this.title}: now ${now}; highest of the last minutes ${this.format(top)}`);
  }

  /**
   * The point that is nearest to the pointer.
   *
   * @param {number} end
   */
  #pointed(end) {
    const pointer = this.#pointer;
    if (pointer === undefined) return undefined;
    const time = end - this.#windowMs * (1 - pointer);
    return this.#points.reduce(
      (nearest, point) => (Math.abs(point.time - time) < Math.abs((nearest?.time ?? 0) - time) ? point : nearest),
      this.#points[0],
    );
  }

  /**
   * The parts of a line, one per stretch without a gap.
   *
   * @param {number} index
   * @param {number} end
   * @param {number} top
   */
  #path(index, end, top) {
    /** @type {string[]} */
    const parts = [];
    let before = -Infinity;
    for (const { time, values } of this.#points) {
      const value = values[index];
      if (value === undefined) continue;
      const at = `${this.#across(time, end).toFixed(2)} ${(HEIGHT - 1 - (value / (top || 1)) * (HEIGHT - 4)).toFixed(2)}`;
      if (time - before > GAP_MS) parts.push(`M${at}`);
      else parts.push(`${parts.pop()}L${at}`);
      before = time;
    }
    return parts;
  }

  /**
   * @param {number} time
   * @param {number} end
   */
  #across(time, end) {
    return WIDTH * (1 - (end - time) / this.#windowMs);
  }
}

/**
 * A part of a line, closed along the bottom.
 *
 * @param {string} part
 */
function closed(part) {
  const points = part.slice(1).split('L');
  return `${part}L${xOf(points.at(-1))} ${HEIGHT}L${xOf(points[0])} ${HEIGHT}Z`;
}

/** @param {string | undefined} point */
function xOf(point) {
  return point?.split(' ')[0];
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string>>} attributes
 */
function svg(tag, attributes) {
  const created = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  return created;
}
