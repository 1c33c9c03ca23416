/**
 * Waits for the promise to settle, either way, and resolves to true when it has; to false if `ms` pass first, or if `ms`
 * is 0 or less. Never rejects.
 */
export async function settledWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  if (ms <= 0) return false;
  const over = Promise.withResolvers<boolean>();
  const timer = setTimeout(over.resolve, ms, false);
  const settled = promise.then(
    () => true,
    () => true,
  );
  const isSettled = await Promise.race([over.promise, settled]);
  clearTimeout(timer);
  return isSettled;
}
