import { element } from './elements.js';

/** Times in the viewer's zone, with UTC beside them. */

const ZONE = new Intl.DateTimeFormat('en', { timeZoneName: 'short' });

/**
 * The time of day, as in the rows of a table.
 *
 * @param {string} iso as in the JSON of a timestamp
 */
export function timeOfDay(iso) {
  return timeElement(iso, (time) => clock(time));
}

/**
 * The date and the time in whole milliseconds, as in the details of an allocation.
 *
 * @param {string} iso as in the JSON of a timestamp
 */
export function fullTime(iso) {
  return timeElement(iso, (time) => `${day(time)} ${clock(time)}.${pad(time.milliseconds, 3)}`);
}

/**
 * The time of day as text, for a place that takes no element.
 *
 * @param {Date} date
 */
export function clocks(date) {
  const inUtc = `${clock(utc(date))} UTC`;
  return date.getTimezoneOffset() === 0 ? inUtc : `${clock(local(date))} (${inUtc})`;
}

/**
 * @typedef {object} Time
 * @property {number} year
 * @property {number} month
 * @property {number} day
 * @property {number} hours
 * @property {number} minutes
 * @property {number} seconds
 * @property {number} milliseconds
 */

/**
 * @param {string} iso
 * @param {(time: Time) => string} format
 */
function timeElement(iso, format) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return element('span', {}, iso);
  const inUtc = `${format(utc(date))} UTC`;
  if (date.getTimezoneOffset() === 0) return element('time', { datetime: iso }, inUtc);
  return element(
    'time',
    { datetime: iso, title: zoneOf(date) },
    `${format(local(date))} `,
    element('span', { class: 'utc' }, inUtc),
  );
}

/**
 * @param {Date} date
 * @returns {Time}
 */
function local(date) {
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hours: date.getHours(),
    minutes: date.getMinutes(),
    seconds: date.getSeconds(),
    milliseconds: date.getMilliseconds(),
  };
}

/**
 * @param {Date} date
 * @returns {Time}
 */
function utc(date) {
  return local(new Date(date.getTime() + date.getTimezoneOffset() * 60_000));
}

/** @param {Time} time */
function clock({ hours, minutes, seconds }) {
  return [hours, minutes, seconds].map((part) => pad(part, 2)).join(':');
}

/** @param {Time} time */
function day({ year, month, day: dayOfMonth }) {
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`;
}

/**
 * @param {number} value
 * @param {number} digits
 */
function pad(value, digits) {
  return String(value).padStart(digits, '0');
}

/**
 * The name of the viewer's zone, such as GMT+1.
 *
 * @param {Date} date
 */
function zoneOf(date) {
  return ZONE.formatToParts(date).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
