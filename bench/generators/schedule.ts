/** h2load sends what has become due once in so many milliseconds, and so does our client where it is compared. */
export const BURST_MS = 10;

/** How much later than in its burst something was sent, in milliseconds; it was due at `dueMs`. */
export function latenessMs(dueMs: number, sentMs: number): number {
  return Math.max(0, sentMs - dueMs - BURST_MS);
}
