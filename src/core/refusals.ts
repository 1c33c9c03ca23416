import type { AllocationRequest } from './allocation.ts';
import type { Reason } from './reasons.ts';
import { OrderError } from './errors.ts';
import { printable } from './text/plain-text.ts';

/** The most stores of a caller that a message lists. */
const MAX_STORES_SHOWN = 5;

// The refusals that callers read, whichever engine or transport sends them. Messages about invalid values are written
// where the values are checked.

export function cancelled(): OrderError {
  return new OrderError('CANCELLED', 'the call was cancelled or its deadline passed before a number was given');
}

/**
 * A queue refuses everything with one such error: a flood is refused so often that the stack traces of new ones would cost
 * more than the refusals.
 */
export function queueFull(): OrderError {
  return new OrderError('QUEUE_FULL', 'too many requests are waiting; retry later');
}

export function draining(): OrderError {
  return new OrderError('DRAINING', 'the server is shutting down; retry: another server may answer');
}

export function stoppedBeforeOpen(): OrderError {
  return new OrderError('DRAINING', 'the server stopped before the ledger was open; retry: another server may answer');
}

/** The files of the ledger were moved or removed while the server had them open, so the server ends. */
export function ledgerLost(): OrderError {
  return new OrderError('DRAINING', 'the server has lost its ledger and is stopping; retry: another server may answer');
}

/** Nothing can be read or written right now. */
export function ledgerReopening(cause?: unknown): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger is being opened; retry', { cause });
}

/** The system lacks what a read needs, such as file descriptors: later it may have it. */
export function ledgerOutOfReach(cause: unknown): OrderError {
  return new OrderError('LEDGER_REOPENING', 'the ledger cannot be read right now; retry', { cause });
}

/** Damage, found by a read. */
export function ledgerUnreadable(cause: unknown): OrderError {
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be read until its operator acts', { cause });
}

/** The ledger cannot be opened; `cause` says what to do, for the log. */
export function ledgerUnusable(cause: unknown): OrderError {
  return new OrderError('LEDGER_DAMAGED', 'the ledger cannot be used until its operator acts', { cause });
}

/** It is proven that nothing was done. */
export function ledgerFull(cause: unknown): OrderError {
  return new OrderError('LEDGER_FULL', "the ledger's disk is full, and nothing was allocated; retry later", { cause });
}

export function batchSizeInvalid(size: number, most: number): OrderError {
  const message = `a batch of ${size} requests is not valid: it must be 1 to ${most}; send the others in another call`;
  return new OrderError('BATCH_SIZE_INVALID', message);
}

/** In bytes. */
export function requestTooLarge(size: number, most: number): OrderError {
  return new OrderError('REQUEST_TOO_LARGE', `a request of ${size} bytes is too large: the limit is ${most} bytes`);
}

export function requestIdRequired(): OrderError {
  return new OrderError(
    'REQUEST_ID_REQUIRED',
    'request_id (Idempotency-Key) is missing; this server requires one in every request',
  );
}

export function mismatch(request: AllocationRequest, original: number): OrderError {
  const { count } = request;
  return new OrderError(
    'REQUEST_ID_MISMATCH',
    `request_id was already used for a count of ${original} and cannot be used for a count of ${count}; use a new request_id`,
    { fields: { ...keyFields(request), count: String(count), original_count: String(original) } },
  );
}

/** The most characters of a value from a caller that a message shows. */
const MAX_SHOWN = 128;
const HOW_TO_SEND = 'send authorization: Bearer <token> (order-numbers: --token or ORDERS_TOKEN)';

/** A call without credentials, to a server that requires them. */
export function tokenMissing(): OrderError {
  return tokenInvalid(`the call has no token; ${HOW_TO_SEND}`);
}

/** An empty token, as in a file that a failed command has left empty. */
export function authorizationEmpty(): OrderError {
  return tokenInvalid('the authorization of the call is empty; leave it out, or send Bearer and a token in it');
}

export function tokenEmpty(): OrderError {
  return tokenInvalid('the token is empty; check the file or the variable that it comes from');
}

/** The header has something other than a token, such as a password, which is never shown. */
export function tokenMalformed(): OrderError {
  return tokenInvalid(`the authorization header has no Bearer token; ${HOW_TO_SEND}`);
}

export function tokenForeign(): OrderError {
  return tokenInvalid('the token is not an order-numbers token, which begins with ordn_; ask the operator for one');
}

export function tokenMistyped(): OrderError {
  return tokenInvalid('the token is mistyped or cut off: its checksum does not match; copy all 54 characters again');
}

export function tokenUnknown(): OrderError {
  return tokenInvalid(
    'the token is unknown to this server: it was removed, or is for another server; ask the operator',
  );
}

/** `day` is the last one on which it worked. */
export function tokenExpired(who: string, day: string): OrderError {
  return tokenInvalid(`the access of ${who} expired at the end of ${day} (UTC); ask the operator for a new token`);
}

export function tokenRevoked(who: string): OrderError {
  return tokenInvalid(`the access of ${who} was revoked; ask the operator for a new token`);
}

/** Ends the streams of a token or certificate whose entry in the token file was changed or removed. */
export function tokenChanged(who: string): OrderError {
  return tokenInvalid(`the operator has changed the rights of ${who}; call again`);
}

/** `who` is the first name of a client certificate, `time` when it expired. */
export function certificateExpired(who: string, time: string): OrderError {
  return tokenInvalid(`the client certificate of ${shownNames([who])} expired on ${time}; connect with a new one`);
}

/** The authority that signed it is no longer accepted. */
export function certificateForeign(who: string): OrderError {
  return tokenInvalid(
    `the client certificate of ${shownNames([who])} is of an authority that the server no longer accepts; connect with a new one`,
  );
}

/** `names` are those in the certificate. */
export function certificateUnknown(names: readonly string[]): OrderError {
  return tokenInvalid(
    names.length === 0
      ? 'the client certificate has no DNS or URI name, and no token was sent; send a token'
      : `the client certificate (${shownNames(names)}) is unknown to this server, and no token was sent; ask the operator`,
  );
}

/** `who` names the token or certificate of the caller, and `method` what it called. */
export function verbForbidden(who: string, verb: string, method: string): OrderError {
  return new OrderError('VERB_FORBIDDEN', `${method} needs the verb ${verb}, which ${who} does not have`);
}

/** The same whether or not the store exists. */
export function storeForbidden(who: string, storeId: bigint): OrderError {
  return ofStore(storeId, 'STORE_FORBIDDEN', `${who} has no access to store ${storeId}`);
}

/** A call for all stores from a caller that has access only to some; `remedy` says how to name one of them. */
export function storeMissing(who: string, stores: ReadonlySet<bigint>, remedy: string): OrderError {
  const shown = [...stores].slice(0, MAX_STORES_SHOWN).join(', ');
  const more = stores.size > MAX_STORES_SHOWN ? ` and ${stores.size - MAX_STORES_SHOWN} more` : '';
  return new OrderError('STORE_FORBIDDEN', `${who} has access only to some stores (${shown}${more}); ${remedy}`);
}

export function sequenceExhausted(storeId: bigint): OrderError {
  return ofStore(storeId, 'SEQUENCE_EXHAUSTED', 'a sequence has reached 2^63-1: no number is left');
}

export function storeNotFound(storeId: bigint): OrderError {
  return ofStore(storeId, 'STORE_NOT_FOUND', `store ${storeId} does not exist; create it first`);
}

export function storeExists(storeId: bigint): OrderError {
  return ofStore(storeId, 'STORE_EXISTS', `store ${storeId} already exists; change it with UpdateStore`);
}

export function firstNumberFixed(storeId: bigint): OrderError {
  return ofStore(
    storeId,
    'FIRST_NUMBER_FIXED',
    `store ${storeId} has allocated numbers: its first_number can no longer change`,
  );
}

/** An allocation that failed after it was handed to the ledger. */
export function outcomeUnknown(request: AllocationRequest, cause?: unknown): OrderError {
  return unknown('the numbers may have been allocated; retry with the same request_id', cause, keyFields(request));
}

/**
 * A refusal of a request that was sent before. The first copy may still be on its way and allocate the numbers,
 * whatever refused this one.
 */
export function perhapsSentBefore(request: AllocationRequest, refused: OrderError): OrderError {
  const message = `${refused.message}; an earlier copy may still allocate the numbers, so retry with the same request_id`;
  return unknown(message, refused, keyFields(request));
}

/** A write of a store that failed after it was handed to the ledger. */
export function storeUnknown(storeId: bigint, cause: unknown): OrderError {
  return unknown('the store may have been written; look it up, or retry', cause, { store_id: String(storeId) });
}

/**
 * The same error if it is an OrderError. Anything else is unexpected: a fault of this program, whose details the caller
 * is not told. If the method `writes`, its outcome is unknown.
 */
export function toOrderError(error: unknown, writes: boolean): OrderError {
  if (error instanceof OrderError) return error;
  return writes
    ? unknown('the outcome is unknown; retry with the same request_id', error)
    : new OrderError('INTERNAL', 'unexpected server error', { cause: error });
}

function unknown(message: string, cause: unknown, fields: Readonly<Record<string, string>> = {}): OrderError {
  return new OrderError('OUTCOME_UNKNOWN', message, { fields, cause });
}

function tokenInvalid(message: string): OrderError {
  return new OrderError('TOKEN_INVALID', message);
}

/** A certificate may have any number of names, of any length. */
function shownNames(names: readonly string[]): string {
  const text = names.slice(0, 3).map(printable).join(', ');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function ofStore(storeId: bigint, reason: Reason, message: string): OrderError {
  return new OrderError(reason, message, { fields: { store_id: String(storeId) } });
}

function keyFields({ storeId, requestId }: AllocationRequest): Record<string, string> {
  return { store_id: String(storeId), request_id: requestId };
}
