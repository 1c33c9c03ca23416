import { LedgerRefused, OrderError } from '../../../core/errors.ts';

/** Nothing was done, and later it may be: the table or the account is at its limit. */
const THROTTLED = new Set([
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
]);

/** Nothing was done, and only an operator can change that. */
const DENIED = new Set([
  'AccessDeniedException',
  'CredentialsProviderError',
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'RequestExpired',
  'UnrecognizedClientException',
]);

/** What the SDK says, which looks for a region at the first request only. */
const NO_REGION = 'Region is missing';

/** A request that got no answer in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** A table that is still being created. */
export class NotReady extends Error {
  override readonly name = 'NotReady';
}

/** A request that was not sent, because whoever wanted it was closed. */
export class NotWanted extends Error {
  override readonly name = 'NotWanted';
}

/**
 * What became of a request that failed. Only `unknown` leaves open whether it was done or will be: a late copy may still
 * be on its way.
 */
export type Failure = 'taken' | 'throttled' | 'denied' | 'no table' | 'refused' | 'unknown';

export function failureOf(error: unknown): Failure {
  const { name = '', message = '' } = error instanceof Error ? error : {};
  if (message === NO_REGION) return 'refused';
  if (name === 'ConditionalCheckFailedException') return 'taken';
  if (name === 'ResourceNotFoundException') return 'no table';
  if (name === 'ValidationException' || name === 'ItemCollectionSizeLimitExceededException') return 'refused';
  if (THROTTLED.has(name)) return 'throttled';
  return DENIED.has(name) ? 'denied' : 'unknown';
}

/** Whether the same may succeed later, so that it is worth repeating by itself. What this engine refuses never does. */
export function mayPass(error: unknown): boolean {
  if (error instanceof LedgerRefused || error instanceof OrderError || error instanceof NotWanted) return false;
  const failure = failureOf(error);
  return failure === 'throttled' || failure === 'unknown';
}

/** Whether a signature was refused, perhaps because of this machine's clock: the answer has told the SDK the time of AWS. */
export function isSignatureRefused(error: unknown): boolean {
  return error instanceof Error && /^(InvalidSignatureException|RequestExpired)$/.test(error.name);
}

/** The reason, as an operator reads it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A host with several addresses fails once for each: the first says enough.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  if (inner !== undefined) return reasonOf(inner);
  const message = error.message.trim();
  return message === '' ? error.name : message;
}

const REMEDIES: Readonly<Record<Failure, string>> = {
  denied: 'give the credentials of a role that may use the table, as variables, a profile or a role of the machine',
  refused: 'it may be a table of another program: check the name of the table, and its region',
  'no table': 'check the name of the table, and its region',
  throttled: 'retry later, or raise the limits of the table',
  taken: 'retry',
  unknown: 'check the network to it, its region, and the endpoint if one is given',
};

/** What an operator can do about a request that failed. */
export function remedyFor(error: unknown): string {
  if (error instanceof OrderError) return 'restore the table to a time before that';
  if (reasonOf(error) === NO_REGION) return 'add ?region=… to the URL, or set AWS_REGION';
  return REMEDIES[failureOf(error)];
}

/** Why the table of this name cannot be used, and the remedy. What this engine refuses says so itself. */
export function explain(name: string, error: unknown): string {
  if (error instanceof LedgerRefused || error instanceof NotReady) return error.message;
  return `${name} cannot be used (${reasonOf(error)}); ${remedyFor(error)}`;
}
