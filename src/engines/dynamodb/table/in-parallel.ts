/** Does the work for each of these, at most this many at once. Rejects at the first failure. */
export async function inParallel<Each>(
  atOnce: number,
  all: readonly Each[],
  work: (each: Each) => Promise<unknown>,
): Promise<void> {
  const rest = all.values();
  const worker = async () => {
    for (const each of rest) await work(each);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, all.length) }, worker));
}
