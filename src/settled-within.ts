/** Resolves to true when the promise has settled, to false after `ms` where that is first. Never rejects. */
export async function settledWithin(ms: number, promise?: Promise<unknown>): Promise<boolean> {
  if (ms <= 0) return false;
  const over = Promise.withResolvers<boolean>();
  const timer = setTimeout(over.resolve, ms, false);
  const settled = promise?.then(
    () => true,
    () => true,
  );
  const isSettled = await Promise.race([over.promise, settled ?? over.promise]);
  clearTimeout(timer);
  return isSettled;
}
