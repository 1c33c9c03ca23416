import { CallError, toCallError } from './call-error.js';
import { fromEnvelopes, toEnvelope } from './envelopes.js';

const SERVICE = '/orders.v1.OrderNumberService/';
/** The time limit of a call that is not a stream. */
const CALL_MS = 15_000;
/** The flag of the last message of a stream, which says how it ended. */
const END_OF_STREAM = 2;

/** @typedef {Readonly<Record<string, unknown>>} Message a message of the proto, by its JSON names; int64 may be bigint */

/** Calls the server that the page came from, by the Connect protocol in JSON. */
export class Connection {
  /** In memory only: neither stored nor part of an address. */
  #token = '';

  /** @param {string} token sent with each call from now on; empty for none */
  setToken(token) {
    this.#token = token;
  }

  get hasToken() {
    return this.#token !== '';
  }

  /**
   * @param {string} method
   * @param {Message} request
   * @param {AbortSignal} [signal]
   * @returns {Promise<unknown>} the response, as its JSON has it
   * @throws {CallError}
   */
  async call(method, request, signal) {
    try {
      const limit = AbortSignal.timeout(CALL_MS);
      const response = await this.#post(method, {
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': String(CALL_MS) },
        body: toJson(request),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      if (!response.ok) throw await refusalIn(response);
      return await response.json();
    } catch (error) {
      signal?.throwIfAborted();
      throw toCallError(error);
    }
  }

  /**
   * A stream of the server's. It ends as the server ends it; a consumer that stops, or the signal, closes it.
   *
   * @param {string} method
   * @param {Message} request
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<unknown, void, void>} the messages, as their JSON has them
   * @throws {CallError}
   */
  async *stream(method, request, signal) {
    try {
      const response = await this.#post(method, {
        headers: { 'content-type': 'application/connect+json' },
        body: toEnvelope(toJson(request)),
        signal,
      });
      if (!response.ok || !response.body) throw await refusalIn(response);
      for await (const { flags, text } of fromEnvelopes(response.body)) {
        const message = JSON.parse(text);
        if ((flags & END_OF_STREAM) === 0) yield message;
        else if (message.error) throw toError(message.error);
        else return;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw toCallError(error);
    }
    throw new CallError('unavailable', 'The server closed the connection.');
  }

  /**
   * @param {string} method
   * @param {{ headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>, signal: AbortSignal }} init
   */
  #post(method, { headers, ...init }) {
    return fetch(SERVICE + method, {
      ...init,
      method: 'POST',
      headers: {
        ...headers,
        'connect-protocol-version': '1',
        ...(this.hasToken && { authorization: `Bearer ${this.#token}` }),
      },
      cache: 'no-store',
      redirect: 'error',
    });
  }
}

/** @param {Message} message */
function toJson(message) {
  return JSON.stringify(message, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
}

/** @param {Response} response */
async function refusalIn(response) {
  const body = await response.json().catch(() => ({}));
  if (typeof body.code === 'string') return toError(body);
  const code = response.status === 404 ? 'unimplemented' : 'unavailable';
  return new CallError(code, `The server answered with HTTP ${response.status}.`);
}

/** @param {{ code?: string, message?: string }} error */
function toError({ code = 'unknown', message = '' }) {
  return new CallError(code, message === '' ? code : message);
}
