/** A call that failed: a code of the Connect protocol, and a sentence for people. */
export class CallError extends Error {
  /**
   * @param {string} code such as `not_found`
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Whether a retry may succeed without any other change.
 *
 * @param {unknown} error
 */
export function mayPass(error) {
  return !(error instanceof CallError) || !PERMANENT.has(error.code);
}

/** Refusals that last until the token, the request or the server changes. */
const PERMANENT = new Set([
  'already_exists',
  'failed_precondition',
  'invalid_argument',
  'not_found',
  'permission_denied',
  'unauthenticated',
  'unimplemented',
]);

/**
 * @param {unknown} error
 * @returns {CallError}
 */
export function toCallError(error) {
  if (error instanceof CallError) return error;
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new CallError('deadline_exceeded', 'The server did not answer in time.');
  // fetch says no more than that it failed.
  return new CallError('unavailable', 'The server does not answer.');
}
