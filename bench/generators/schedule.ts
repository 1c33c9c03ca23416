/** h2load sends what has become due once per burst, in milliseconds; the generator with our client does the same. */
export const BURST_MS = 10;

/** How much later than its burst a call was sent that was due at `dueMs`; all in milliseconds. */
export function latenessMs(dueMs: number, sentMs: number): number {
  return Math.max(0, sentMs - dueMs - BURST_MS);
}
