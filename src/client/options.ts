import type { ClientOptions, TlsOptions } from './api.ts';
import { describe, toBoolean, toText } from './messages.ts';

type Check = (name: string, value: never) => void;

/** How each option is checked; one that is missing here does not compile. */
const OPTIONS: Readonly<Record<keyof ClientOptions, Check>> = {
  address: toText,
  token: checkToken,
  tls: checkTls,
  timeoutMs: toTimeout,
  attemptTimeoutMs: toTimeout,
  unreachableTimeoutMs: toTimeout,
  combine: toBoolean,
  onRetrying: checkFunction,
};
const TLS_OPTIONS: Readonly<Record<keyof TlsOptions, Check>> = { ca: checkPem, cert: checkPem, key: checkPem };

/** What a header can carry. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Throws a TypeError that names an option which is unknown, has the wrong type, or cannot be used. */
export function checkOptions(options: ClientOptions): void {
  if (!isObject(options)) {
    throw new TypeError(
      `createClient takes an object of options, such as { address: 'localhost:50051' }, not ${describe(options)}`,
    );
  }
  checkEach('', options, OPTIONS);
}

/** A time limit in milliseconds; Infinity is none. Throws a TypeError that names the option if the value is not one. */
export function toTimeout(name: string, value: number): number {
  if (typeof value === 'number' && value > 0) return value;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be a number of milliseconds above 0`);
}

/** `prefix` is what the names of these options begin with. */
function checkEach(prefix: string, options: object, checks: Readonly<Record<string, Check>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      const known = Object.keys(checks).map((each) => prefix + each);
      throw new TypeError(`option ${prefix}${name} is unknown: the options are ${known.join(', ')}`);
    }
    if (value !== undefined) checks[name]!(prefix + name, value as never);
  }
}

/** The message never shows the token. */
function checkToken(name: string, value: unknown): void {
  if (typeof value === 'string' && TOKEN.test(value)) return;
  throw new TypeError(`${name} is not valid: it must be a string of printable ASCII without spaces`);
}

function checkTls(name: string, value: unknown): void {
  if (typeof value === 'boolean') return;
  if (!isObject(value)) {
    throw new TypeError(`${name} ${describe(value)} is not valid: it must be true, false or { ca, cert, key }`);
  }
  checkEach(`${name}.`, value, TLS_OPTIONS);
}

/**
 * The message never shows the text, because it may be a key. The TLS library skips what it cannot read, and then trusts
 * no server.
 */
function checkPem(name: string, value: unknown): void {
  const isText = typeof value === 'string' || value instanceof Uint8Array;
  if (isText && Buffer.from(value as string).includes('-----BEGIN ')) return;
  throw new TypeError(
    `${name} is not valid: it must be the text of a PEM file, which has a -----BEGIN line, and not its path`,
  );
}

function checkFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new TypeError(`${name} ${describe(value)} is not valid: it must be a function`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
