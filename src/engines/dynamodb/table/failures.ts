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
  'UnrecognizedClientException',
]);

/** A request that got no answer in time. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/**
 * What became of a request that failed. Only `unknown` leaves open whether it was done or will be: a late copy may still
 * be on its way.
 */
export type Failure = 'taken' | 'throttled' | 'denied' | 'no table' | 'refused' | 'unknown';

export function failureOf(error: unknown): Failure {
  const { name = '', message = '' } = error instanceof Error ? error : {};
  // The SDK looks for it at the first request only.
  if (message === 'Region is missing') return 'refused';
  if (name === 'ConditionalCheckFailedException') return 'taken';
  if (name === 'ResourceNotFoundException') return 'no table';
  if (name === 'ValidationException' || name === 'ItemCollectionSizeLimitExceededException') return 'refused';
  if (THROTTLED.has(name)) return 'throttled';
  return DENIED.has(name) ? 'denied' : 'unknown';
}

/** Whether the same request may succeed later, so that it is worth repeating by itself. */
export function mayPass(error: unknown): boolean {
  const failure = failureOf(error);
  return failure === 'throttled' || failure === 'unknown';
}

/** The reason for an operator's eyes. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A host with several addresses fails once for each: the first says enough.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  if (inner !== undefined) return reasonOf(inner);
  const message = error.message.trim();
  return message === '' ? error.name : message;
}
