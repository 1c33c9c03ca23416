// The SQLSTATEs that this engine tells apart: https://www.postgresql.org/docs/current/errcodes-appendix.html

export const DEADLOCK_DETECTED = '40P01';
export const DISK_FULL = '53100';
export const DUPLICATE_PREPARED_STATEMENT = '42P05';
export const DUPLICATE_SCHEMA = '42P06';
export const FEATURE_NOT_SUPPORTED = '0A000';
export const INSUFFICIENT_PRIVILEGE = '42501';
export const INVALID_AUTHORIZATION = '28000';
export const INVALID_PASSWORD = '28P01';
export const LOCK_NOT_AVAILABLE = '55P03';
export const SERIALIZATION_FAILURE = '40001';
export const UNDEFINED_DATABASE = '3D000';
export const UNDEFINED_FUNCTION = '42883';
export const UNDEFINED_SCHEMA = '3F000';
export const UNKNOWN_PREPARED_STATEMENT = '26000';
/** Raised by the schema's own refuse_numbering() if an operator has to act. */
export const MUST_NOT_NUMBER = /^ON00[123]$/;

/** The SQLSTATE of an error that a server sent; undefined for an error of the network or of this program. */
export function sqlState(error: unknown): string | undefined {
  // A socket's error has a code, too, but no severity.
  if (!(error instanceof Error && 'severity' in error && 'code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
