/**
 * Resolves when the clock of the run has moved on by this many milliseconds: a model of a delay, in which nothing
 * waits.
 */
export function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
