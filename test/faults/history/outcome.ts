import { status } from '@grpc/grpc-js';
import { OrderNumbersError } from '../../../src/client/index.ts';
import { errorDetails, isServiceError } from '../../support/clients/orders-client.ts';

/** What a failed call tells: whether it certainly did nothing, and the code and the reason. */
export interface CallOutcome {
  readonly isDefinite: boolean;
  readonly says: string;
}

/** Codes that leave the outcome open even with a reason of our own. */
const OPEN = new Set<string | undefined>(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED']);
/** Refusals that a correct request may get: it was never sent, or there was no room for it. */
const EXPECTED = /^(UNAVAILABLE|DEADLINE_EXCEEDED|CANCELLED|RESOURCE_EXHAUSTED)\b/;

/** Reads the errors of our client and of grpc-js; what is neither is a command's failure, and definite. */
export function outcomeOf(error: unknown): CallOutcome {
  if (error instanceof OrderNumbersError) {
    return { isDefinite: error.outcome === 'refused', says: says(error.code, error.reason ?? error.message) };
  }
  if (isServiceError(error)) {
    const code = status[error.code];
    const details = errorDetails(error);
    return { isDefinite: details !== undefined && !OPEN.has(code), says: says(code, details?.reason ?? error.details) };
  }
  return { isDefinite: true, says: error instanceof Error ? error.message : String(error) };
}

/** Whether a correct request may be refused like that. */
export function isExpected(refusal: string): boolean {
  return EXPECTED.test(refusal);
}

function says(code: string | undefined, why: string): string {
  return `${code} (${why})`;
}
